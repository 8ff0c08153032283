"""Chapter 1: where one message ends and the next begins (RFC 9112). Rules only."""

from __future__ import annotations

from .chunked import CHUNKED
from .lines import LINES
from .model import (
    MUST,
    OWN,
    SHOULD,
    Chapter,
    Example,
    Rule,
    on,
    post,
    refused,
    request,
)

_CHUNKED = b"Transfer-Encoding: chunked"
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def _te(name: str, value: bytes, *status: int) -> Example:
    return refused(name, post(b"Transfer-Encoding: " + value, body=_HELLO), *(status or (400, 501)))


def _cl(name: str, value: bytes, *status: int) -> Example:
    return refused(name, post(b"Content-Length: " + value, body=b"hello"), *(status or (400,)))


CHAPTER = Chapter(
    "framing",
    "Framing",
    "A request has one meaning or it is refused. Whoever disagrees with a neighbour about a message's end "
    "smuggles requests.",
    (
        Rule(
            "framing.te-and-cl",
            MUST,
            "A request that carries both Content-Length and Transfer-Encoding is refused.",
            "RFC 9112 6.1",
            (
                refused("length first", post(b"Content-Length: 5", _CHUNKED, body=_HELLO)),
                refused("coding first", post(_CHUNKED, b"Content-Length: 5", body=_HELLO)),
                refused("length zero", post(b"Content-Length: 0", _CHUNKED, body=_HELLO)),
                refused("length of the chunked form", post(_CHUNKED, b"Content-Length: 15", body=_HELLO)),
                refused("on GET", request(_CHUNKED, b"Content-Length: 5", body=_HELLO)),
            ),
            decision="RFC 9112 allows dropping Content-Length; refusing leaves nothing to guess.",
            basis=OWN,
        ),
        Rule(
            "framing.cl-differing",
            MUST,
            "A request with two different lengths is refused.",
            "RFC 9112 6.3",
            (
                refused("two fields", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")),
                refused(
                    "two fields, one zero", post(b"Content-Length: 0", b"Content-Length: 5", body=b"hello")
                ),
                _cl("a list", b"5, 6"),
            ),
        ),
        Rule(
            "framing.cl-repeated",
            MUST,
            "A request that repeats its length is refused, even when the values agree.",
            "RFC 9110 8.6",
            (
                refused("two fields", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
                _cl("a list", b"5, 5"),
                _cl("a list with an empty member", b"5,"),
            ),
            decision="RFC 9110 allows collapsing equal values; no honest client repeats the field, so it is "
            "refused.",
            basis=OWN,
        ),
        Rule(
            "framing.cl-invalid",
            MUST,
            "A Content-Length that is not only ASCII digits is refused.",
            "RFC 9110 8.6",
            (
                _cl("negative", b"-1"),
                _cl("with a plus", b"+5"),
                _cl("hexadecimal", b"0x5"),
                _cl("with an underscore", b"1_0"),
                _cl("with a letter behind", b"5x"),
                _cl("with a space inside", b"1 0"),
                _cl("a fraction", b"5.0"),
                _cl("empty", b""),
                _cl("a Latin-1 digit", b"\xb2"),
                _cl("a UTF-8 digit", b"\xd9\xa5"),
                _cl("quoted", b'"5"'),
            ),
        ),
        Rule(
            "framing.cl-overflow",
            MUST,
            "A Content-Length of 2^63 or more is refused before anything is allocated for it.",
            "RFC 9110 8.6",
            (
                _cl("2^63", b"9223372036854775808", 400, 413),
                _cl("2^64 + 5", b"18446744073709551621", 400, 413),
                _cl("5,000 digits", b"9" * 5000, 400, 413),
            ),
        ),
        Rule(
            "framing.cl-leading-zeros",
            MUST,
            "Leading zeros in Content-Length are read as decimal and never as octal.",
            "RFC 9110 8.6",
            (Example("010 is ten", post(b"Content-Length: 010", body=b"0123456789"), body=b"0123456789"),),
            decision="The grammar is 1*DIGIT, so the field is valid; the number is written anew for the "
            "downstream.",
        ),
        Rule(
            "framing.te-not-chunked",
            MUST,
            "A request whose Transfer-Encoding is anything else than exactly one `chunked` is refused.",
            "RFC 9112 6.1, 6.3",
            (
                _te("unknown coding", b"xchunked"),
                _te("identity", b"identity"),
                _te("chunked not last", b"chunked, identity"),
                on(OWN, _te("chunked twice", b"chunked, chunked")),
                on(OWN, _te("empty member before", b", chunked")),
                on(OWN, _te("empty member behind", b"chunked,")),
                _te("empty", b""),
                _te("vertical tab before", b"\x0bchunked"),
                _te("control byte behind", b"chunked\x01"),
                _te("high byte", b"chunked\x80"),
                _te("no-break space before", b"\xa0chunked"),
                _te("quoted", b'"chunked"'),
                on(OWN, _te("with a parameter", b"chunked;q=1")),
                _te("with a space inside", b"chun ked"),
                _te("two words", b"chunked chunked"),
                on(OWN, refused("two fields", post(_CHUNKED, _CHUNKED, body=_HELLO), 400, 501)),
                on(
                    OWN,
                    refused(
                        "two fields, unknown first",
                        post(b"Transfer-Encoding: x", _CHUNKED, body=_HELLO),
                        400,
                        501,
                    ),
                ),
                refused(
                    "two fields, unknown last", post(_CHUNKED, b"Transfer-Encoding: x", body=_HELLO), 400, 501
                ),
            ),
        ),
        Rule(
            "framing.te-unknown-coding",
            SHOULD,
            "A well-formed list of codings that ends in `chunked` but holds others is refused with 501.",
            "RFC 9112 6.1",
            (
                _te("gzip under chunked", b"gzip, chunked", 501),
                _te("unknown under chunked", b"x-custom , chunked", 501),
            ),
            decision="The proxy decodes no transfer coding but chunked. Any other fault in the list is "
            "answered with 400.",
        ),
        Rule(
            "framing.te-case-insensitive",
            MUST,
            "`chunked` is recognised in any case and with any whitespace around it.",
            "RFC 9112 7, RFC 9110 5.5",
            (
                Example("mixed case", post(b"Transfer-Encoding: cHuNkEd", body=_HELLO), body=b"hello"),
                Example("tab before", post(b"Transfer-Encoding:\tchunked", body=_HELLO), body=b"hello"),
                Example("spaces around", post(b"transfer-encoding:  chunked \t", body=_HELLO), body=b"hello"),
            ),
        ),
        Rule(
            "framing.te-on-http10",
            MUST,
            "An HTTP/1.0 request with Transfer-Encoding is refused.",
            "RFC 9112 6.1",
            (
                refused("chunked", request(_CHUNKED, line=b"POST / HTTP/1.0", body=_HELLO)),
                refused(
                    "with a length",
                    request(_CHUNKED, b"Content-Length: 5", line=b"POST / HTTP/1.0", body=_HELLO),
                ),
            ),
            decision="RFC 9112 asks to take the framing for faulty and to close behind the answer; refusing "
            "is the form of it that reads nothing twice.",
            basis=OWN,
        ),
        *LINES,
        Rule(
            "framing.body-on-any-method",
            MUST,
            "A body is read by its framing whatever the method; it is never taken for the next request.",
            "RFC 9110 9.3.1, RFC 9112 6",
            decision="The body is relayed with the request, as the downstream alone knows whether it means "
            "something.",
        ),
        Rule(
            "framing.upgrade-with-body",
            MUST,
            "A WebSocket upgrade with a body is refused, and bytes behind an upgrade's head reach nobody "
            "before a 101.",
            "RFC 9110 7.8",
            decision="Other upgrades are not passed on: Upgrade is removed and the request goes on as an "
            "ordinary one.",
            capability="websocket",
            basis=OWN,
        ),
        Rule(
            "framing.one-framing",
            MUST,
            "Each message the proxy writes has exactly one framing, of its own making.",
            "RFC 9112 6.1, 6.3",
        ),
        Rule(
            "framing.own-version",
            MUST,
            "Messages go on as HTTP/1.1, the proxy's own version, whatever version they came in.",
            "RFC 9112 2.3",
        ),
        Rule(
            "framing.pipelining",
            MUST,
            "Pipelined requests are answered in order, one at a time; what waits is held in a bounded "
            "buffer.",
            "RFC 9112 9.3.2",
            decision="The next request is not read from before the answer to the last one is written: order "
            "needs no queue.",
        ),
        Rule(
            "framing.keep-alive",
            MUST,
            "A connection is kept or closed as RFC 9112 says, and an answer says so: `Connection: close` "
            "ends it.",
            "RFC 9112 9.3, 9.6",
        ),
        *CHUNKED,
    ),
)
