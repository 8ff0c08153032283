"""Chapter bodies, in time: what goes out when, in how much memory, and in which delivery mode."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable

import pytest

from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply, stepwise
from .lab import Lab, chunked, chunks, get, post, rule
from .settings import ROUTES, TIGHT

ProxyWith = Callable[[str], Lab]

# Bytes on their way when one end stops reading: mostly the kernel's buffers, which grow to 32 MiB by default.
HELD = 64 << 20

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@rule("bodies.flushed-at-once", "bodies.delivery-stream")
@pytest.mark.parametrize(
    ("head", "pieces", "close"),
    [
        pytest.param(CHUNKED, [chunks(b"one"), chunks(b"two"), b"0\r\n\r\n"], False, id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", [b"one", b"two"], False, id="length"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", [b"one", b"two"], True, id="close-delimited"),
        pytest.param(
            CHUNKED.replace(b"OK\r\n", b"OK\r\nContent-Type: text/event-stream\r\n"),
            [chunks(b"data: 1\n\n"), chunks(b"data: 2\n\n"), b"0\r\n\r\n"],
            False,
            id="server-sent events",
        ),
        pytest.param(
            CHUNKED.replace(b"OK\r\n", b"OK\r\nContent-Encoding: gzip\r\n"),
            [chunks(b"\x1f\x8b\x08"), chunks(b"\x00\x00"), b"0\r\n\r\n"],
            False,
            id="gzip",
        ),
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_each_piece_goes_out_when_it_comes(
    proxy: Lab, head: bytes, pieces: list[bytes], close: bool, version: bytes
) -> None:
    handler, gates = stepwise(proxy.origin, head, *pieces, close=close)
    proxy.origin.script("/x", handler)
    client = proxy.send(get(b"/x", b"Accept-Encoding: gzip", version=version))
    response = client.read_head()
    assert response.body == b""
    expected = b""
    for gate, piece in zip(gates, pieces, strict=True):
        gate.open()
        expected += piece if b"chunked" not in head else b"".join(piece.split(b"\r\n")[1:2])
        assert client.read_some(response, len(expected)) == expected
    assert client.read_body(response).body == expected


@rule("bodies.upload-streamed")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_each_piece_of_an_upload_goes_down_when_it_comes(proxy: Lab, framing: str) -> None:
    how = b"Content-Length: 6" if framing == "length" else b"Transfer-Encoding: chunked"
    client = proxy.send(get(b"/x", how, method=b"POST"))
    request = proxy.origin.wait_head("/x")
    for n, piece in enumerate((b"one", b"two")):
        client.send(piece if framing == "length" else chunks(piece))
        proxy.origin.wait_body("/x", 3 * n + 3)
    if framing == "chunked":
        assert not request.complete
        client.send(b"0\r\n\r\n")
    assert client.read_response().status == 200
    assert request.body == b"onetwo"


@rule("bodies.backpressure-down")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_client_that_stops_reading_stops_the_downstream(proxy: Lab, framing: str) -> None:
    piece, count = bytes(range(256)) * 256, 1536
    length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count << 16)
    taken: list[int] = []

    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(CHUNKED if framing == "chunked" else length)
        for _ in range(count):
            await conn.send(chunks(piece) if framing == "chunked" else piece)
            taken.append(len(piece))
        await conn.send(b"0\r\n\r\n" if framing == "chunked" else b"")

    proxy.origin.script("/x", handler)
    client = proxy.send(get(b"/x"), receive_buffer=65536)
    proxy.origin.wait_head("/x")
    assert proxy.origin.settled(lambda: sum(taken)) < HELD
    assert client.read_response().body == piece * count


@rule("bodies.backpressure-up")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_downstream_that_stops_reading_stops_the_client(proxy: Lab, framing: str) -> None:
    gate = proxy.origin.gate()
    size = 96 << 20

    async def handler(conn: Connection, request: Request) -> None:
        conn.stop_reading()
        await gate.wait()
        conn.resume_reading()
        await conn.send(ok(b"%d" % len(await request.read())))

    proxy.origin.script("/x", handler)
    how = b"Content-Length: %d" % size if framing == "length" else b"Transfer-Encoding: chunked"
    client = proxy.send(get(b"/x", how, method=b"POST"))
    body = bytes(size) if framing == "length" else chunks(bytes(1 << 20)) * 96 + b"0\r\n\r\n"
    sent = client.pump(body, quiet=0.5)
    assert sent < HELD
    gate.open()
    assert client.pump(body[sent:]) == len(body) - sent
    assert client.read_response().body == b"%d" % size


@rule("bodies.request-too-large")
def test_request_limit_is_exact(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TIGHT)
    assert len(proxy.forwarded(post(b"/x", bytes(10_000))).body) == 10_000
    proxy.origin.reset()
    assert len(proxy.forwarded(chunked(b"/x", bytes(5000), bytes(5000))).body) == 10_000
    proxy.origin.reset()
    proxy.refused(post(b"/x", bytes(10_001)), 413)
    proxy.refused(get(b"/x", b"Content-Length: 10001", b"Expect: 100-continue", method=b"POST"), 413)
    proxy.broken(chunked(b"/x", bytes(5000), bytes(5001)), 413)


@rule("bodies.request-too-large")
def test_endless_chunked_upload_ends_at_the_limit(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TIGHT)
    client = proxy.send(get(b"/x", b"Transfer-Encoding: chunked", method=b"POST"))
    assert client.pump(chunks(bytes(1000)) * 50_000) < 50_000_000
    assert client.read_response().status == 413
    assert client.read_to_end() == b""
    proxy.barrier()
    proxy.never_complete()


@rule("bodies.delivery-buffer")
@pytest.mark.parametrize(
    ("answer", "close"),
    [
        pytest.param(CHUNKED + chunks(b"hello", b", world") + b"0\r\n\r\n", False, id="chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello, world", True, id="close-delimited"),
        pytest.param(ok(b"hello, world"), False, id="length"),
    ],
)
def test_buffered_answer_has_a_length(proxy_with: ProxyWith, answer: bytes, close: bool) -> None:
    proxy = proxy_with(ROUTES)
    proxy.origin.script("/buffer/x", reply(answer, close=close))
    response = proxy.ask(get(b"/buffer/x"))
    assert response.one(b"content-length") == b"12"
    assert response.body == b"hello, world"


@rule("bodies.delivery-buffer")
@pytest.mark.parametrize(
    ("answer", "close"),
    [
        pytest.param(CHUNKED + chunks(b"hello"), True, id="chunked, cut"),
        pytest.param(ok(b"hello")[:-2], True, id="length, cut"),
        pytest.param(ok(bytes(100_001)), False, id="length, too large"),
        pytest.param(
            CHUNKED + chunks(bytes(60_000), bytes(60_000)) + b"0\r\n\r\n", False, id="chunked, too large"
        ),
    ],
)
def test_buffered_answer_that_is_cut_or_too_large_is_a_bad_gateway(
    proxy_with: ProxyWith, answer: bytes, close: bool
) -> None:
    proxy = proxy_with(ROUTES)
    proxy.origin.script("/buffer/x", reply(answer, close=close))
    assert proxy.ask(get(b"/buffer/x")).status == 502


@rule("bodies.delivery-transform")
@pytest.mark.parametrize("coding", [b"identity", b"gzip"])
def test_transformed_answer_goes_through_the_hook(proxy_with: ProxyWith, coding: bytes) -> None:
    proxy = proxy_with(ROUTES)
    body = b"hello" if coding == b"identity" else gzip.compress(b"hello")
    fields = [b'ETag: "a"', b"Accept-Ranges: bytes", b"X-Kept: 1"]
    fields += [b"Content-Encoding: gzip"] if coding == b"gzip" else []
    proxy.origin.script("/transform/x", reply(ok(body, *fields)))
    response = proxy.ask(get(b"/transform/x"))
    assert response.body == b"HELLO"
    assert response.all(b"x-kept") == [b"1"]
    assert not response.all(b"etag")
    assert not response.all(b"content-encoding")
    assert response.one(b"content-length") in (None, b"5")


@rule("bodies.delivery-transform")
def test_transformed_pieces_go_out_as_they_come(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(ROUTES)
    handler, gates = stepwise(proxy.origin, CHUNKED, chunks(b"one"), chunks(b"two") + b"0\r\n\r\n")
    proxy.origin.script("/transform/x", handler)
    client = proxy.send(get(b"/transform/x"))
    response = client.read_head()
    gates[0].open()
    assert client.read_some(response, 3) == b"ONE"
    gates[1].open()
    assert client.read_body(response).body == b"ONETWO"


@rule("bodies.delivery-transform")
@pytest.mark.parametrize(
    ("answer", "close"),
    [
        pytest.param(CHUNKED + chunks(b"hello"), True, id="cut"),
        pytest.param(ok(b"!!fail!!"), False, id="hook fails"),
        pytest.param(ok(gzip.compress(b"hello" * 99)[:-9], b"Content-Encoding: gzip"), False, id="gzip cut"),
    ],
)
def test_transform_that_fails_is_visible(proxy_with: ProxyWith, answer: bytes, close: bool) -> None:
    proxy = proxy_with(ROUTES)
    proxy.origin.script("/transform/x", reply(answer, close=close))
    client = proxy.send(get(b"/transform/x"))
    with contextlib.suppress(TruncatedError):
        assert client.read_response().status == 502
