"""Inputs that once got two answers, or are the textbook's smuggling attempts. Tables only."""

from __future__ import annotations

from .grammar import INNER

_GET = b"GET /r HTTP/1.1\r\nHost: proxy\r\n"
_POST = b"POST /r HTTP/1.1\r\nHost: proxy\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

REGRESSIONS: dict[str, tuple[bytes, ...]] = {
    # An empty line between two requests, cut between CR and LF, made the second one malformed.
    "an empty line cut in two": (_POST + b"Content-Length: 5\r\n\r\nhello\r", b"\n" + _GET + b"\r\n"),
    "many empty lines": (b"\r\n\r\n\r\n" + _GET + b"\r\n\r\n\r\n" + _GET + b"\r\n",),
    # Refusals of HEAD carried content, which is the next answer to a client that keeps to RFC 9110 9.3.2.
    "HEAD refused for its Host": (b"HEAD /r HTTP/1.1\r\nHost: a b\r\n\r\n",),
    "HEAD refused for its length": (b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nContent-Length: x\r\n\r\n" + INNER,),
    "HEAD refused for its size": (b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nX-A: " + b"x" * 40000 + b"\r\n\r\n",),
    "HEAD refused for its expectation": (b"HEAD /r HTTP/1.1\r\nHost: proxy\r\nExpect: x\r\n\r\n",),
    "CL.TE": (_POST + b"Content-Length: 6\r\n" + _CHUNKED + b"\r\n0\r\n\r\nG",),
    "TE.CL": (_POST + _CHUNKED + b"Content-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n",),
    "TE.TE": (_POST + _CHUNKED + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n" + INNER,),
    "CL.0": (_POST + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,),
    "0.CL": (_GET + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,),
    "TE.0": (
        b"OPTIONS /r HTTP/1.1\r\nHost: proxy\r\n" + _CHUNKED + b"\r\n27\r\n" + INNER + b"\r\n0\r\n\r\n",
    ),
    "a chunk extension with a line end": (_POST + _CHUNKED + b"\r\n5;\nxx\r\nhello\r\n0\r\n\r\n" + INNER,),
    "the data's end swallowed": (_POST + _CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n" + INNER,),
    "an LF behind the last chunk": (_POST + _CHUNKED + b"\r\n0\r\n\n" + INNER,),
    "a trailer that frames": (_POST + _CHUNKED + b"\r\n0\r\nContent-Length: 39\r\n\r\n" + INNER,),
    "Connection names the length": (
        _POST + b"Connection: Content-Length\r\nContent-Length: 39\r\n\r\n" + INNER,
    ),
    "Connection names the coding": (
        _POST + b"Connection: Transfer-Encoding\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    ),
    "an upgrade nobody makes": (
        _GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 39\r\n\r\n" + INNER,
    ),
    "Expect and a refusal": (_POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello" + INNER),
    "an HTTP/1.0 coding": (b"POST /r HTTP/1.0\r\nHost: proxy\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,),
    "an early end in the head": (_GET + b"X-A: b\r\n\n" + INNER,),
    "a fold that hides a length": (_POST + b"X-A: b\r\n Content-Length: 39\r\n\r\n" + INNER,),
    "a length that wraps round": (_POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + INNER,),
    "a size that wraps round": (_POST + _CHUNKED + b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" + INNER,),
}
