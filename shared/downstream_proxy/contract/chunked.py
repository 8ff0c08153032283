"""Chapter 1, the chunked coding (RFC 9112 7). Rules only."""

from __future__ import annotations

from .model import MUST, OWN, RFC_MUST, RFC_SHOULD, Example, Rule, broken, on, post

_CHUNKED = b"Transfer-Encoding: chunked"


def _chunks(name: str, body: bytes, *status: int) -> Example:
    return broken(name, post(_CHUNKED, body=body), *(status or (400,)))


CHUNKED: tuple[Rule, ...] = (
    Rule(
        "framing.chunk-size",
        MUST,
        "A chunk size that is not only hexadecimal digits, or does not fit, ends the request with 400.",
        "RFC 9112 7.1",
        (
            _chunks("plus", b"+5\r\nhello\r\n0\r\n\r\n"),
            _chunks("minus", b"-5\r\nhello\r\n0\r\n\r\n"),
            _chunks("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
            _chunks("underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
            _chunks("space before", b" 5\r\nhello\r\n0\r\n\r\n"),
            on(OWN, _chunks("space behind", b"5 \r\nhello\r\n0\r\n\r\n")),
            _chunks("letter", b"g\r\nhello\r\n0\r\n\r\n"),
            _chunks("empty", b"\r\nhello\r\n0\r\n\r\n"),
            on(RFC_MUST, _chunks("2^64 + 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400, 413)),
            on(RFC_MUST, _chunks("200 digits", b"f" * 200 + b"\r\nhello\r\n0\r\n\r\n", 400, 413)),
            _chunks("bad last chunk", b"5\r\nhello\r\n0x0\r\n\r\n"),
        ),
        basis=RFC_SHOULD,
    ),
    Rule(
        "framing.chunk-line-ends",
        MUST,
        "Chunk lines and chunk data end in CRLF and nothing else, also within an extension.",
        "RFC 9112 7.1, 7.1.1",
        (
            _chunks("data too long", b"5\r\nhelloXX0\r\n\r\n"),
            _chunks("LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
            _chunks("LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
            _chunks("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
            _chunks("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
            _chunks("NUL in an extension", b"5;a\x00\r\nhello\r\n0\r\n\r\n"),
            _chunks("LF behind the last chunk", b"5\r\nhello\r\n0\n\r\n"),
            _chunks("two CRs", b"5\r\r\nhello\r\n0\r\n\r\n"),
        ),
        basis=RFC_SHOULD,
    ),
    Rule(
        "framing.chunk-extensions",
        MUST,
        "Chunk extensions are skipped and not passed on; those of one request together are bounded, then "
        "431.",
        "RFC 9112 7.1.1",
        (
            Example("skipped", post(_CHUNKED, body=b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'), body=b"hello"),
            on(OWN, _chunks("one of 64 KiB", b"5;" + b"x" * 65536 + b"\r\nhello\r\n0\r\n\r\n", 431, 400)),
            on(
                OWN,
                _chunks(
                    "40 KiB over 1,000 chunks",
                    (b"1;" + b"x" * 40 + b"\r\na\r\n") * 1000 + b"0\r\n\r\n",
                    431,
                    400,
                ),
            ),
        ),
    ),
    Rule(
        "framing.trailers-bounded",
        MUST,
        "Trailers of a request are bounded like its head; above that the request ends with 431, a bad one "
        "with 400.",
        "RFC 9112 7.1.2",
        (
            on(OWN, _chunks("64 KiB", b"5\r\nhello\r\n0\r\nX-T: " + b"x" * 65536 + b"\r\n\r\n", 431, 400)),
            on(OWN, _chunks("200 fields", b"5\r\nhello\r\n0\r\n" + b"X-T: x\r\n" * 200 + b"\r\n", 431, 400)),
            _chunks("no colon", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"),
            on(OWN, _chunks("folded", b"5\r\nhello\r\n0\r\nX-T: a\r\n b\r\n\r\n")),
            on(OWN, _chunks("bare LF", b"5\r\nhello\r\n0\r\nX-T: a\n\r\n")),
        ),
        basis=RFC_SHOULD,
    ),
    Rule(
        "framing.trailers-dropped",
        MUST,
        "Trailers never become header fields, in neither direction.",
        "RFC 9110 6.5.1",
        (
            Example(
                "request trailers",
                post(
                    _CHUNKED,
                    b"Trailer: X-T",
                    body=b"5\r\nhello\r\n0\r\nX-T: late\r\nAuthorization: x\r\n\r\n",
                ),
                unseen=(b"late", b"authorization"),
                body=b"hello",
            ),
        ),
        decision="They are read, bounded and dropped: RFC 9110 lets an intermediary discard them, and few "
        "servers read them.",
    ),
)
