"""Chapter 2: what is asked for (RFC 9112 3, RFC 3986). Rules only."""

from __future__ import annotations

from .model import MUST, OWN, RFC_SHOULD, SHOULD, Chapter, Example, Rule, on, refused, request


def _line(target: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1"


def _exact(name: str, target: bytes) -> Example:
    return Example(name, request(line=_line(target)), seen=(_line(target),))


def _bad(name: str, target: bytes, *status: int) -> Example:
    return refused(name, request(line=_line(target)), *status)


CHAPTER = Chapter(
    "target",
    "Target",
    "The decision where a request goes is taken on the bytes that are sent on, and those are the bytes that "
    "came.",
    (
        Rule(
            "target.byte-exact",
            MUST,
            "Path and query reach the downstream byte for byte.",
            "RFC 9110 7.7",
            (
                _exact("encoded slash", b"/a%2Fb"),
                _exact("encoded unreserved", b"/%7Euser/%41"),
                _exact("lower-case escapes", b"/%c3%a9%2f"),
                _exact("twice encoded", b"/a%2520b"),
                _exact("plus and semicolon", b"/a+b;c=d?e+f;g"),
                on(OWN, _exact("pipe and ampersands", b"/a|b?c=d&&e&")),
                _exact("empty query", b"/a?"),
                _exact("question marks", b"/a?b?c??"),
                _exact("order of the query", b"/?b=2&a=1&b=1"),
                on(OWN, _exact("quotes, braces, angles", b"/'\"{}<>^`\\")),
                on(OWN, _exact("an incomplete escape", b"/%zz%")),
                _exact("dots in names", b"/a/.../..b/c.."),
                _exact("empty segments", b"/a//b///"),
                on(OWN, _exact("a long one", b"/" + b"x" * 4000 + b"?" + b"y" * 3000)),
            ),
        ),
        Rule(
            "target.absolute-form",
            MUST,
            "A target in absolute form is accepted when its authority is the Host; its path and query are "
            "sent on.",
            "RFC 9112 3.2.2",
            (
                Example("with a path", request(line=_line(b"http://proxy/a?b")), seen=(_line(b"/a?b"),)),
                Example("no path", request(line=_line(b"http://proxy")), seen=(_line(b"/"),)),
                Example("no path, a query", request(line=_line(b"http://proxy?q")), seen=(_line(b"/?q"),)),
                Example("other case", request(line=_line(b"HTTP://PROXY/a")), seen=(_line(b"/a"),)),
                on(OWN, _bad("another authority", b"http://evil/a")),
                on(RFC_SHOULD, _bad("userinfo", b"http://user@proxy/a")),
                on(RFC_SHOULD, _bad("userinfo with the Host's name", b"http://proxy@evil/a")),
                _bad("no authority", b"http:///a"),
                on(OWN, _bad("another port", b"http://proxy:99/a")),
            ),
            decision="RFC 9112 lets the target win over Host; a client whose two differ is broken or "
            "hostile, so 400.",
        ),
        Rule(
            "target.only-the-configured-downstream",
            MUST,
            "No target makes the proxy connect to anything but the configured downstream.",
            "RFC 9112 3.2",
            (
                _exact("two slashes", b"//evil/a"),
                _exact("userinfo in the path", b"/@evil/a"),
                on(OWN, _exact("backslashes", b"/\\\\evil/a")),
                _exact("an URL as path", b"/http://evil/a"),
                on(RFC_SHOULD, _bad("no slash", b"evil/a")),
                on(RFC_SHOULD, _bad("userinfo form", b"@evil/a")),
                on(RFC_SHOULD, _bad("backslash first", b"\\evil")),
                on(RFC_SHOULD, _bad("authority form", b"evil:80")),
                on(RFC_SHOULD, _bad("only a query", b"?a=b")),
                on(OWN, _bad("another scheme", b"file:///etc/passwd")),
            ),
        ),
        Rule(
            "target.route-not-left",
            MUST,
            "Dot segments in any spelling cannot leave the prefix of the route that a target matched.",
            "RFC 3986 5.2.4, 6.2.2",
            decision=(
                "A target is refused with 400 when dropping its dot segments would leave the prefix: plain, "
                "percent-encoded once or twice, with `;` parameters, with backslashes or encoded slashes. "
                "Inside the prefix they pass byte-exact."
            ),
            basis=OWN,
        ),
        Rule(
            "target.raw-routing",
            MUST,
            "The route is the longest configured prefix, by whole segments, of the path as sent; nothing is "
            "decoded first.",
            "RFC 3986 6",
            decision="`/%61pi` is not `/api`: deciding on a decoded path and sending another is how filters "
            "are bypassed.",
            basis=OWN,
        ),
        Rule(
            "target.no-route",
            MUST,
            "A target that no route matches is answered with 404 by the proxy.",
            "RFC 9110 15.5.5",
            basis=OWN,
        ),
        Rule(
            "target.strip-prefix",
            MUST,
            "`strip_prefix` removes the prefix and nothing else; what is left begins with `/`.",
            "RFC 3986 3.3",
            basis=OWN,
        ),
        Rule(
            "target.escapes-stay-escaped",
            MUST,
            "Escaped control bytes stay escaped, and so become no line ends.",
            "RFC 9112 11.1",
            (
                on(OWN, _exact("NUL", b"/a%00b")),
                _exact("CRLF", b"/a%0d%0aX-Injected:%20yes"),
                _exact("CRLF in the query", b"/?a=%0D%0A%0D%0AGET%20/"),
            ),
        ),
        Rule(
            "target.fragment",
            MUST,
            "A target with a fragment is refused.",
            "RFC 9112 3.2",
            (
                _bad("in the path", b"/a#b"),
                _bad("behind the query", b"/a?b#c"),
                _bad("empty", b"/a#"),
                _bad("absolute form", b"http://proxy/#a"),
            ),
            basis=RFC_SHOULD,
        ),
        Rule(
            "target.forbidden-bytes",
            MUST,
            "A space, a tab, a control byte or a byte above 0x7e in the target is refused.",
            "RFC 9112 3.2, RFC 3986 2",
            (
                _bad("space", b"/a b"),
                _bad("tab", b"/a\tb"),
                _bad("NUL", b"/a\x00b"),
                _bad("escape", b"/a\x1bb"),
                _bad("delete", b"/a\x7fb"),
                _bad("UTF-8", b"/caf\xc3\xa9"),
                _bad("Latin-1", b"/caf\xe9"),
                _bad("form feed", b"/a\x0cb"),
            ),
            decision="URIs are ASCII; raw UTF-8 is what servers read differently, so the client has to "
            "escape it.",
            basis=RFC_SHOULD,
        ),
        Rule(
            "target.too-long",
            MUST,
            "A target above `limits.max_target` is refused with 414.",
            "RFC 9110 15.5.15",
            (
                _bad("9,000 bytes", b"/" + b"x" * 9000, 414),
                _bad("9,000 bytes of query", b"/?" + b"x" * 9000, 414),
            ),
            basis=OWN,
        ),
        Rule(
            "target.connect",
            MUST,
            "CONNECT is refused with 405 or 501.",
            "RFC 9110 9.3.6",
            (
                refused(
                    "authority form",
                    request(line=b"CONNECT evil:443 HTTP/1.1", host=b"Host: evil:443"),
                    501,
                    405,
                    400,
                ),
            ),
            decision="501: this is no forward proxy, for nobody.",
            basis=OWN,
        ),
        Rule(
            "target.trace",
            MUST,
            "TRACE is refused with 405, so that no field which proxies add comes back to a script.",
            "RFC 9110 9.3.8",
            (refused("TRACE", request(line=b"TRACE / HTTP/1.1"), 405),),
            basis=OWN,
        ),
        Rule(
            "target.options-asterisk",
            SHOULD,
            "`OPTIONS *` is answered by the proxy itself with 204; the asterisk with another method is "
            "refused.",
            "RFC 9112 3.2.4, RFC 9110 9.3.7",
            (on(RFC_SHOULD, _bad("GET *", b"*")),),
            decision="It asks about this server, so it is not sent on. The answer has no Allow: that "
            "depends on the resource.",
            basis=OWN,
        ),
        Rule(
            "target.any-method",
            MUST,
            "Any other method that is a token is relayed as it is, in the same case.",
            "RFC 9110 9.1, 16.1",
            (
                *tuple(
                    Example(method.decode(), request(line=_line(b"/m", method)), seen=(_line(b"/m", method),))
                    for method in (b"PROPFIND", b"PURGE", b"M-SEARCH", b"get", b"X!#$%&'*+.^_`|~0", b"QUERY")
                ),
                Example("OPTIONS", request(line=_line(b"/m", b"OPTIONS")), seen=(_line(b"/m", b"OPTIONS"),)),
                Example("DELETE", request(line=_line(b"/m", b"DELETE")), seen=(_line(b"/m", b"DELETE"),)),
            ),
            basis=OWN,
        ),
    ),
)
