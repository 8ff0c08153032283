"""Chapter 3: header fields (RFC 9110 5 to 7). Rules only."""

from __future__ import annotations

from .forwarding import FORWARDING
from .model import MAY, MUST, OWN, RFC_SHOULD, SHOULD, Chapter, Example, Rule, on, refused, request

CHAPTER = Chapter(
    "headers",
    "Header fields",
    "Fields that describe the message pass unchanged and in order; fields that describe a connection end "
    "with it.",
    (
        Rule(
            "headers.hop-by-hop.fixed",
            MUST,
            "Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding and Upgrade of the "
            "client's connection do not reach the downstream.",
            "RFC 9110 7.6.1",
            (
                Example(
                    "all of them",
                    request(
                        b"Connection: keep-alive",
                        b"Keep-Alive: timeout=5",
                        b"Proxy-Connection: keep-alive",
                        b"Trailer: X-T",
                        b"TE: gzip;q=0.5",
                        b"Upgrade: h2c",
                        b"X-Kept: yes",
                    ),
                    seen=(b"X-Kept: yes",),
                    unseen=(
                        b"\r\nkeep-alive",
                        b"\r\nproxy-connection",
                        b"\r\ntrailer",
                        b"gzip",
                        b"\r\nupgrade",
                        b"h2c",
                    ),
                ),
            ),
            decision=(
                "TE is removed with the others: trailers are dropped, so none may be asked for. An Upgrade "
                "passes only as a checked WebSocket handshake."
            ),
            basis=RFC_SHOULD,
        ),
        Rule(
            "headers.hop-by-hop.connection-named",
            MUST,
            "Every field that Connection names is removed, over several lines, in any case and with empty "
            "members.",
            "RFC 9110 7.6.1",
            (
                Example(
                    "two lines and empty members",
                    request(
                        b"Connection: ,X-One, ,",
                        b"X-One: 1",
                        b"X-Two: 2",
                        b"connection: x-TWO ,",
                        b"X-Three: 3",
                    ),
                    seen=(b"X-Three: 3",),
                    unseen=(b"x-one", b"x-two"),
                ),
                Example(
                    "with close",
                    request(b"Connection: close, X-One", b"X-One: 1", b"X-One: 2"),
                    unseen=(b"x-one",),
                ),
            ),
        ),
        Rule(
            "headers.hop-by-hop.response",
            MUST,
            "The same fields of the downstream's connection do not reach the client, nor do those its "
            "Connection names.",
            "RFC 9110 7.6.1",
        ),
        Rule(
            "headers.connection-cannot-remove",
            MUST,
            "Naming a field in Connection cannot remove what the proxy sets itself, nor Host and the "
            "framing.",
            "RFC 9110 7.6.1",
            (
                Example(
                    "what frames and routes",
                    request(
                        b"Connection: host, content-length, x-forwarded-for, via",
                        b"Content-Length: 5",
                        line=b"POST /c HTTP/1.1",
                        body=b"hello",
                    ),
                    seen=(b"POST /c HTTP/1.1",),
                    body=b"hello",
                ),
            ),
            decision=(
                "The proxy first removes what Connection names and then sets its own fields, so they cannot "
                "be named away. End-to-end fields such as Authorization or Cookie are removed when named, "
                "as the RFC demands: a client can leave out its own credentials anyway. Host and "
                "Content-Length are not fields a client may name."
            ),
            basis=OWN,
        ),
        Rule(
            "headers.order-and-repetition",
            MUST,
            "Fields keep their order, repetition and case of name; nothing is merged, in neither direction.",
            "RFC 9110 5.3",
        ),
        Rule(
            "headers.set-cookie",
            MUST,
            "Five Set-Cookie fields of an answer are five fields for the client.",
            "RFC 9110 5.3, RFC 6265 3",
        ),
        Rule(
            "headers.value-exact",
            MUST,
            "A value passes byte for byte, apart from whitespace around it; an empty value stays an empty "
            "value.",
            "RFC 9110 5.5",
        ),
        Rule(
            "headers.no-injection",
            MUST,
            "CR, LF and NUL are never written in a name, value, method, target or reason, wherever they "
            "came from.",
            "RFC 9110 5.5, RFC 9112 11.1",
        ),
        Rule(
            "headers.too-large",
            MUST,
            "A head above `limits.max_request_head` is refused with 431, one line or many.",
            "RFC 6585 5",
            (
                refused("one field of 64 KiB", request(b"X-A: " + b"x" * 65536), 431, 400),
                refused("a name of 64 KiB", request(b"X" * 65536 + b": a"), 431, 400),
                refused(
                    "100 fields of 1 KiB",
                    request(*(b"X-%d: " % n + b"x" * 1024 for n in range(100))),
                    431,
                    400,
                ),
            ),
            basis=OWN,
        ),
        Rule(
            "headers.too-many",
            MUST,
            "More than `limits.max_header_fields` fields are refused with 431.",
            "RFC 6585 5",
            (refused("1,000 short fields", request(*(b"X-%d: y" % n for n in range(1000))), 431, 400),),
            decision="Counted apart from bytes, as each field costs more than its bytes.",
            basis=OWN,
        ),
        Rule(
            "headers.malformed-line",
            MUST,
            "A field line without a colon, with an empty name or with a name that is no token is refused.",
            "RFC 9112 5, RFC 9110 5.1",
            (
                refused("no colon", request(b"nocolon")),
                refused("empty name", request(b": value")),
                refused("only a colon", request(b":")),
                refused("space in the name", request(b"X A: b")),
                refused("parenthesis", request(b"X(A): b")),
                refused("high byte in the name", request(b"X-\xe9: b")),
                refused("quote in the name", request(b'"X": b')),
                refused("slash in the name", request(b"X/A: b")),
            ),
            basis=RFC_SHOULD,
        ),
        Rule(
            "headers.high-bytes",
            MUST,
            "Bytes above 0x7f in a value are relayed unchanged, Latin-1 and UTF-8 alike, in both directions.",
            "RFC 9110 5.5",
            (
                Example("Latin-1", request(b"X-Name: caf\xe9"), seen=(b"X-Name: caf\xe9",)),
                Example("UTF-8", request(b"X-Name: caf\xc3\xa9"), seen=(b"X-Name: caf\xc3\xa9",)),
                Example(
                    "all of them",
                    request(b"X-Name: " + bytes(range(128, 256))),
                    seen=(b"X-Name: " + bytes(range(128, 256)),),
                ),
            ),
            basis=RFC_SHOULD,
        ),
        Rule(
            "headers.host",
            MUST,
            "An HTTP/1.1 request without Host, with two, or with one that is no host and port is refused.",
            "RFC 9112 3.2",
            (
                refused("missing", request(host=b"")),
                refused("two", request(b"Host: other")),
                refused("two equal", request(b"Host: proxy")),
                on(OWN, refused("empty", request(host=b"Host:"))),
                refused("space inside", request(host=b"Host: a b")),
                refused("a path", request(host=b"Host: proxy/a")),
                refused("userinfo", request(host=b"Host: user@proxy")),
                refused("a port that is no number", request(host=b"Host: proxy:http")),
                refused("a signed port", request(host=b"Host: proxy:+80")),
                refused("an open bracket", request(host=b"Host: [::1")),
                refused("a query", request(host=b"Host: proxy?a")),
                refused("a fragment", request(host=b"Host: proxy#a")),
                refused("a backslash", request(host=b"Host: proxy\\a")),
                refused("high bytes", request(host=b"Host: pr\xc3\xb6xy")),
                refused("two ports", request(host=b"Host: proxy:80:80")),
            ),
        ),
        Rule(
            "headers.host-forms",
            MUST,
            "A name, an IPv4 address or a bracketed IPv6 address, with or without port, is a valid Host.",
            "RFC 9110 7.2, RFC 3986 3.2.2",
            (
                *tuple(
                    Example(
                        host.decode(),
                        request(host=b"Host: " + host, line=b"GET /h HTTP/1.1"),
                    )
                    for host in (
                        b"proxy",
                        b"Proxy.Example.",
                        b"proxy:8080",
                        b"127.0.0.1",
                        b"127.0.0.1:80",
                        b"[::1]",
                        b"[::1]:80",
                        b"a-b_c.d",
                    )
                ),
                Example("none on HTTP/1.0", request(host=b"", line=b"GET /h HTTP/1.0")),
            ),
        ),
        Rule(
            "headers.underscores",
            SHOULD,
            "Fields whose name has an underscore are dropped unless `underscores_in_headers` is set.",
            "CGI (RFC 3875 4.1.18)",
            (
                Example(
                    "like a known field",
                    request(b"X_Forwarded_For: 6.6.6.6", b"Content_Length: 3", b"X-Kept: yes"),
                    seen=(b"X-Kept: yes",),
                    unseen=(b"x_forwarded_for", b"content_length"),
                ),
            ),
            decision="Behind CGI and WSGI `X_A` and `X-A` are one variable, so the underscore form forges "
            "fields.",
        ),
        *FORWARDING,
        Rule(
            "headers.response-identity",
            MUST,
            "Server, Date and Content-Type of the downstream reach the client as they are; absent ones are "
            "not invented.",
            "RFC 9110 10.2.4, 6.6.1, 8.3",
            decision="A missing Date stays missing, though RFC 9110 6.6.1 asks a recipient that forwards to "
            "add one: only the origin knows when the answer was made, and a cache behind takes its own time.",
            basis=RFC_SHOULD,
        ),
        Rule(
            "headers.nothing-invented",
            MUST,
            "The downstream sees no User-Agent, Accept, Accept-Encoding, Content-Type or Cookie that the "
            "client did not send.",
            "RFC 9110 7.7",
            (
                Example(
                    "a bare request",
                    request(line=b"GET /bare HTTP/1.1"),
                    seen=(b"GET /bare HTTP/1.1",),
                    unseen=(
                        b"user-agent",
                        b"\r\naccept",
                        b"content-type",
                        b"cookie",
                        b"content-length",
                        b"transfer-encoding",
                    ),
                ),
            ),
            basis=OWN,
        ),
        Rule(
            "headers.host-policy",
            MUST,
            'The downstream sees its own authority as Host, or the client\'s with `host_header = "client"`; '
            "always exactly one.",
            "RFC 9110 7.2",
            basis=OWN,
        ),
        Rule(
            "headers.rules",
            MAY,
            "`request_headers` and `response_headers` remove, set and add fields per downstream, in this "
            "order.",
            "no standard; configuration",
            decision="Values may come from `env:NAME` or `file:PATH` and are read once at start, so secrets "
            "stay out of the file.",
        ),
    ),
)
