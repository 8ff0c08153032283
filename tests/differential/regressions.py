"""Inputs that once got two answers, or are the textbook's smuggling attempts. Tables only."""

from __future__ import annotations

from .grammar import INNER
from .inputs import Input
from .meaning import Asked

_GET = b"GET /r HTTP/1.1\r\nHost: proxy\r\n"
_POST = b"POST /r HTTP/1.1\r\nHost: proxy\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

REGRESSIONS: dict[str, Input] = {
    # An empty line between two requests, cut between CR and LF, made the second one malformed.
    "an empty line cut in two": Input(
        (_POST + b"Content-Length: 5\r\n\r\nhello\r", b"\n" + _GET + b"\r\n"),
        (Asked(b"POST", b"/r", b"hello"), Asked(b"GET", b"/r", b"")),
    ),
    "many empty lines": Input(
        (b"\r\n\r\n\r\n" + _GET + b"\r\n\r\n\r\n" + _GET + b"\r\n",),
        (Asked(b"GET", b"/r", b""), Asked(b"GET", b"/r", b"")),
    ),
    # Refusals of HEAD carried content, which is the next answer to a client that keeps to RFC 9110 9.3.2.
    "HEAD refused for its Host": Input((b"HEAD /r HTTP/1.1\r\nHost: a b\r\n\r\n",)),
    "HEAD refused for its length": Input(
        (b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nContent-Length: x\r\n\r\n" + INNER,)
    ),
    "HEAD refused for its size": Input(
        (b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nX-A: " + b"x" * 40000 + b"\r\n\r\n",)
    ),
    "HEAD refused for its expectation": Input((b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nExpect: x\r\n\r\n",)),
    "CL.TE": Input((_POST + b"Content-Length: 6\r\n" + _CHUNKED + b"\r\n0\r\n\r\nG",)),
    "TE.CL": Input((_POST + _CHUNKED + b"Content-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n",)),
    "TE.TE": Input((_POST + _CHUNKED + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n" + INNER,)),
    "CL.0": Input(
        (_POST + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,), (Asked(b"POST", b"/r", INNER),)
    ),
    "0.CL": Input(
        (_GET + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,), (Asked(b"GET", b"/r", INNER),)
    ),
    "TE.0": Input(
        (b"OPTIONS /r HTTP/1.1\r\nHost: proxy\r\n" + _CHUNKED + b"\r\n27\r\n" + INNER + b"\r\n0\r\n\r\n",),
        (Asked(b"OPTIONS", b"/r", INNER),),
    ),
    "a chunk extension with a line end": Input(
        (_POST + _CHUNKED + b"\r\n5;\nxx\r\nhello\r\n0\r\n\r\n" + INNER,)
    ),
    "the data's end swallowed": Input((_POST + _CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n" + INNER,)),
    "an LF behind the last chunk": Input((_POST + _CHUNKED + b"\r\n0\r\n\n" + INNER,)),
    "a trailer that frames": Input(
        (_POST + _CHUNKED + b"\r\n0\r\nContent-Length: 39\r\n\r\n" + INNER,),
        (Asked(b"POST", b"/r", b""), Asked(b"GET", b"/smuggled", b"")),
    ),
    "Connection names the length": Input(
        (_POST + b"Connection: Content-Length\r\nContent-Length: 39\r\n\r\n" + INNER,),
        (Asked(b"POST", b"/r", INNER),),
    ),
    "Connection names the coding": Input(
        (_POST + b"Connection: Transfer-Encoding\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,),
        (Asked(b"POST", b"/r", b""), Asked(b"GET", b"/smuggled", b"")),
    ),
    "an upgrade nobody makes": Input(
        (_GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 39\r\n\r\n" + INNER,),
        (Asked(b"GET", b"/r", INNER),),
    ),
    "Expect and a refusal": Input(
        (_POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello" + INNER)
    ),
    "an HTTP/1.0 coding": Input(
        (b"POST /r HTTP/1.0\r\nHost: proxy\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,)
    ),
    "an early end in the head": Input((_GET + b"X-A: b\r\n\n" + INNER,)),
    "a fold that hides a length": Input((_POST + b"X-A: b\r\n Content-Length: 39\r\n\r\n" + INNER,)),
    "a length that wraps round": Input(
        (_POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + INNER,)
    ),
    "a size that wraps round": Input(
        (_POST + _CHUNKED + b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" + INNER,)
    ),
}
