"""Chapter 1, the lines of a head (RFC 9112 2.2, 3, 5). Rules only."""

from __future__ import annotations

from .model import MUST, OWN, RFC_SHOULD, SHOULD, Example, Rule, on, or_cleaned, post, refused, request

_CHUNKED = b"Transfer-Encoding: chunked"
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"

LINES: tuple[Rule, ...] = (
    Rule(
        "framing.space-before-colon",
        MUST,
        "Whitespace between a field's name and its colon, or before the first field, is refused.",
        "RFC 9112 5.1, 2.2",
        (
            refused("space", post(b"Content-Length : 5", body=b"hello")),
            refused("tab", post(b"Transfer-Encoding\t: chunked", body=_HELLO)),
            or_cleaned(refused("before the first field", request(b"Host: proxy", host=b" X: y"))),
            or_cleaned(
                refused(
                    "before the first field, coding",
                    post(body=_HELLO).replace(b"Host:", b" Transfer-Encoding: chunked\r\nHost:"),
                )
            ),
        ),
    ),
    Rule(
        "framing.obs-fold",
        MUST,
        "A folded field line is refused.",
        "RFC 9112 5.2",
        (
            refused("with a space", request(b"X-A: b\r\n c")),
            refused("with a tab", request(b"X-A: b\r\n\tc")),
            refused("a folded coding", post(b"Transfer-Encoding:\r\n chunked", body=_HELLO)),
            refused("a fold of nothing", request(b"X-A: b\r\n ")),
        ),
        decision="RFC 9112 allows replacing it by spaces; refusing keeps what is judged and what is "
        "sent the same.",
        basis=OWN,
    ),
    Rule(
        "framing.bare-lf",
        MUST,
        "A line that ends in LF without CR is refused.",
        "RFC 9112 2.2",
        (
            refused("all lines", b"GET / HTTP/1.1\nHost: proxy\n\n"),
            refused("the request line", b"GET / HTTP/1.1\nHost: proxy\r\n\r\n"),
            refused("a field line", b"GET / HTTP/1.1\r\nHost: proxy\r\nX-A: b\nX-B: c\r\n\r\n"),
            refused(
                "the empty line",
                b"GET / HTTP/1.1\r\nHost: proxy\r\n\nGET /second HTTP/1.1\r\nHost: proxy\r\n\r\n",
            ),
        ),
        decision="RFC 9112 lets a recipient accept a bare LF; neighbours differ on it, so it is refused.",
        basis=OWN,
    ),
    Rule(
        "framing.bare-cr",
        MUST,
        "A CR that is not followed by LF is refused, wherever it stands in the head.",
        "RFC 9112 2.2",
        (
            or_cleaned(refused("in a value", request(b"X-A: b\rc"))),
            or_cleaned(refused("in a value, like a field", request(b"X-A: b\rTransfer-Encoding: chunked"))),
            or_cleaned(refused("in a name", request(b"X\r-A: b"))),
            or_cleaned(refused("in the request line", request(line=b"GET /\r HTTP/1.1"))),
            or_cleaned(refused("before CRLF", request(b"X-A: b\r"))),
        ),
    ),
    Rule(
        "framing.control-bytes",
        MUST,
        "NUL and other control bytes but tab in a head are refused.",
        "RFC 9110 5.5",
        (
            or_cleaned(refused("NUL in a value", request(b"X-A: b\x00c"))),
            on(OWN, refused("NUL in a name", request(b"X\x00A: b"))),
            on(OWN, refused("escape in a value", request(b"X-A: \x1b[31m"))),
            on(OWN, refused("delete in a value", request(b"X-A: b\x7f"))),
        ),
    ),
    Rule(
        "framing.request-line",
        MUST,
        "A request line is method, one space, target, one space, version, or it is refused.",
        "RFC 9112 3, 2.3",
        (
            on(OWN, refused("two spaces", request(line=b"GET  / HTTP/1.1"))),
            on(OWN, refused("two spaces before the version", request(line=b"GET /  HTTP/1.1"))),
            on(OWN, refused("a tab", request(line=b"GET\t/ HTTP/1.1"))),
            on(OWN, refused("space behind", request(line=b"GET / HTTP/1.1 "))),
            on(OWN, refused("space before", request(line=b" GET / HTTP/1.1"))),
            refused("lower-case version", request(line=b"GET / http/1.1"), 400, 505),
            refused("no version", request(line=b"GET /")),
            refused("half a version", request(line=b"GET / HTTP/1."), 400, 505),
            refused("two-digit minor version", request(line=b"GET / HTTP/1.10"), 400, 505),
            refused("no target", request(line=b"GET HTTP/1.1")),
            refused("only spaces", request(line=b"   ")),
            refused("a method that is no token", request(line=b"GE(T / HTTP/1.1")),
        ),
        basis=RFC_SHOULD,
    ),
    Rule(
        "framing.version",
        MUST,
        "A major version other than 1 is refused with 505 or 400.",
        "RFC 9110 15.6.6",
        (
            refused("2.0", request(line=b"GET / HTTP/2.0"), 505, 400),
            refused("3.0", request(line=b"GET / HTTP/3.0"), 505, 400),
            refused("0.9", request(line=b"GET / HTTP/0.9"), 505, 400),
        ),
        basis=OWN,
    ),
    Rule(
        "framing.empty-line-before",
        SHOULD,
        "An empty line before the request line is skipped.",
        "RFC 9112 2.2",
        (Example("one CRLF", b"\r\n" + request(line=b"GET /x HTTP/1.1"), seen=(b"GET /x HTTP/1.1",)),),
    ),
)
