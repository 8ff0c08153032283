"""Chapter bodies: what passes, in which framing, and that a cut is always visible."""

from __future__ import annotations

import gzip
import random

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, reply
from .lab import Lab, chunked, chunks, get, own, post, rule

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
NOISE = random.Random(1).randbytes


# -- bodies that must not be


BODYLESS = pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param(b"HEAD", b'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n', id="HEAD"),
        pytest.param(b"HEAD", b'HTTP/1.1 404 No\r\nContent-Length: 7\r\nETag: "a"\r\n\r\n', id="HEAD 404"),
        pytest.param(
            b"GET", b'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n', id="304"
        ),
        pytest.param(b"GET", b'HTTP/1.1 204 No Content\r\nETag: "a"\r\n\r\n', id="204"),
    ],
)


@rule("bodies.none-where-none-belongs")
@BODYLESS
def test_bodyless_answer_ends_with_its_head(proxy: Lab, method: bytes, answer: bytes) -> None:
    proxy.origin.script("/x", reply(answer))
    client = proxy.send(get(b"/x", method=method))
    assert client.read_response(method).status == int(answer.split()[1])
    if proxy.foreign and client.readable(0.2):  # may close behind it, and nothing else
        assert client.ended()
        return
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.head-keeps-length")
@BODYLESS
def test_bodyless_answer_keeps_its_metadata(proxy: Lab, method: bytes, answer: bytes) -> None:
    proxy.origin.script("/x", reply(answer))
    response = proxy.send(get(b"/x", method=method)).read_response(method)
    assert response.one(b"etag") == b'"a"'
    if b"Content-Length" in answer:
        assert response.one(b"content-length") == answer.partition(b"Length: ")[2].partition(b"\r")[0]


@rule("bodies.none-where-none-belongs")
def test_chunked_answer_to_head_ends_with_its_head(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(CHUNKED))
    client = proxy.send(get(b"/x", method=b"HEAD"))
    assert client.read_response(b"HEAD").status == 200
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.unexpected-discarded")
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param(b"HEAD", ok(b"unexpected"), id="HEAD"),
        pytest.param(b"GET", b"HTTP/1.1 204 No Content\r\n\r\nunexpected", id="204"),
        pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\nunexpected", id="304"),
        pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\n\r\n" + ok(b"unexpected"), id="another answer"),
    ],
)
def test_unexpected_body_reaches_nobody(proxy: Lab, method: bytes, answer: bytes) -> None:
    proxy.origin.script("/x", reply(answer))
    client = proxy.send(get(b"/x", method=method))
    assert client.read_response(method).status in (200, 204, 304)
    for _ in range(3):
        assert client.send(get(b"/y")).read_response().body.startswith((b"GET /y ", b"GET /y? "))
    first = proxy.origin.seen("/x")[0].conn
    if not proxy.foreign:  # RFC 9112 9.2 only advises to close it at once
        proxy.origin.wait_closed(first)
    assert first.requests[-1].target == b"/x"


# -- framings that do not match


@rule("bodies.close-delimited")
@pytest.mark.parametrize("body", [b"", b"hello", NOISE(300_000)], ids=["empty", "short", "long"])
def test_close_delimited_answer_is_framed_anew(proxy: Lab, body: bytes) -> None:
    proxy.origin.script("/x", reply(CLOSING + body, close=True))
    client = proxy.send(get(b"/x"))
    response = client.read_response()
    assert response.body == body
    if proxy.foreign and response.framing.kind == "close":
        return  # as RFC 9112 6.3 lets it
    assert response.framing.kind in ("chunked", "length")
    if proxy.foreign and b"close" in b",".join(response.all(b"connection")).lower():
        return
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.http10-client")
@pytest.mark.parametrize(
    ("answer", "close"),
    [
        pytest.param(CLOSING + b"hello", True, id="close-delimited"),
        pytest.param(CHUNKED + chunks(b"he", b"llo") + b"0\r\n\r\n", False, id="chunked"),
        pytest.param(ok(b"hello"), False, id="length"),
    ],
)
@pytest.mark.parametrize("fields", [(), (b"Connection: keep-alive",)], ids=["closing", "keep-alive"])
def test_http10_client_gets_no_chunks(
    proxy: Lab, answer: bytes, close: bool, fields: tuple[bytes, ...]
) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        # A server that passes the version on must be answered accordingly.
        suits = request.version == b"1.1"
        await conn.send(answer if suits else CLOSING + b"hello")
        if close or not suits:
            conn.close()

    proxy.origin.script("/x", handler)
    client = proxy.send(get(b"/x", *fields, version=b"1.0"))
    response = client.read_response()
    assert response.body == b"hello"
    assert not response.all(b"transfer-encoding")
    if response.framing.kind == "close" or not fields:
        assert client.ended()
        assert not client.was_reset


@rule("bodies.http10-downstream")
@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhello", False, id="close-delimited"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False, id="length"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
            True,
            id="keep-alive",
        ),
    ],
)
def test_http10_answer_is_understood(proxy: Lab, answer: bytes, kept: bool) -> None:
    proxy.origin.script("/x", reply(answer, close=b"Length" not in answer))
    client = proxy.send(get(b"/x"))
    response = client.read_response()
    assert response.body == b"hello"
    assert client.send(get(b"/y")).read_response().status == 200
    if not kept:
        assert proxy.origin.seen("/x")[0].is_last


@rule("bodies.empty-upload")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(post(b"/x", b""), id="length zero"),
        pytest.param(chunked(b"/x"), id="chunked without data"),
        pytest.param(post(b"/x", b"", method=b"GET"), id="GET with length zero", marks=own),
    ],
)
def test_empty_upload_is_an_empty_body(proxy: Lab, raw: bytes) -> None:
    request = proxy.forwarded(raw)
    assert request.complete
    assert request.body == b""
    assert request.all(b"content-length") == [b"0"] or request.all(b"transfer-encoding") == [b"chunked"]


# -- bytes as they are


@rule("bodies.coding-untouched")
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param(b"gzip", gzip.compress(b"hello" * 1000), id="gzip"),
        pytest.param(b"gzip", b"not gzip at all", id="claims gzip"),
        pytest.param(b"br", NOISE(1000), id="br"),
        pytest.param(b"zstd", NOISE(1000), id="zstd"),
        pytest.param(b"x-unknown", NOISE(1000), id="unknown"),
        pytest.param(b"gzip, br", NOISE(1000), id="two"),
    ],
)
@pytest.mark.parametrize("accept", [(), (b"Accept-Encoding: gzip, br",)], ids=["unasked", "asked"])
def test_encoded_bytes_pass_untouched(
    proxy: Lab, coding: bytes, body: bytes, accept: tuple[bytes, ...]
) -> None:
    fields = [b"Content-Encoding: " + coding, b'ETag: "strong"', b"Vary: Accept-Encoding"]
    proxy.origin.script("/x", reply(ok(body, *fields)))
    response = proxy.ask(get(b"/x", *accept))
    assert response.body == body
    assert response.one(b"content-encoding") == coding
    assert response.one(b"etag") == b'"strong"'
    assert response.one(b"content-length") == b"%d" % len(body)


@rule("bodies.ranges-untouched")
@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        (b"206 Partial Content", (b"Content-Range: bytes 0-4/10",), b"hello"),
        (
            b"206 Partial Content",
            (b"Content-Type: multipart/byteranges; boundary=B",),
            b"--B\r\n\r\nhe\r\n--B--",
        ),
        (b"416 Range Not Satisfiable", (b"Content-Range: bytes */10",), b""),
    ],
)
def test_ranges_pass_untouched(proxy: Lab, status: bytes, fields: tuple[bytes, ...], body: bytes) -> None:
    proxy.origin.script("/x", reply(ok(body, *fields).replace(b"200 OK", status)))
    response = proxy.ask(get(b"/x", b"Range: bytes=0-4", b'If-Range: "a"'))
    assert response.status == int(status[:3])
    assert response.body == body
    assert all(proxy.holds(response.head.split(b"\r\n"), field) for field in fields)
    request = proxy.origin.seen("/x")[0]
    assert request.all(b"range") == [b"bytes=0-4"]
    assert request.all(b"if-range") == [b'"a"']


@rule("bodies.relayed-exactly")
@pytest.mark.parametrize("size", [1, 4095, 65535, 65536, 65537, 1_000_003, 20_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_of_many_sizes_pass_both_ways(proxy: Lab, size: int, framing: str) -> None:
    body = NOISE(size)
    coded = chunks(*(body[n : n + size // 3 + 1] for n in range(0, size, size // 3 + 1))) + b"0\r\n\r\n"

    async def handler(conn: Connection, request: Request) -> None:
        assert await request.read() == body
        await conn.send(ok(body) if framing == "length" else CHUNKED + coded)

    proxy.origin.script("/x", handler)
    raw = (
        post(b"/x", body)
        if framing == "length"
        else get(b"/x", b"Transfer-Encoding: chunked", method=b"POST") + coded
    )
    assert proxy.ask(raw).body == body


@rule("bodies.relayed-exactly")
@pytest.mark.parametrize("status", [200, 299, 404, 418, 500, 599])
def test_status_passes(proxy: Lab, status: int) -> None:
    proxy.origin.script("/x", reply(ok(b"a").replace(b"200 OK", b"%d Odd" % status)))
    assert proxy.ask(get(b"/x")).status == status


@rule("bodies.relayed-exactly")
@own
def test_status_and_reason_pass(proxy: Lab) -> None:
    for status in (
        b"200 Fine",
        b"200 ",
        b"299 Odd",
        b"404 Nowhere",
        b"418 I'm a teapot",
        b"599 x",
        b"500 caf\xe9",
    ):
        proxy.origin.script("/x", reply(ok(b"a").replace(b"200 OK", status)))
        response = proxy.ask(get(b"/x"))
        assert b"%d %b" % (response.status, response.reason) == status
