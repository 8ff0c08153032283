"""Chapter failures, the client's: leaving is seen downstream at once, and slowness ends in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, stall
from ..wire import Client
from .lab import Lab, chunked, chunks, get, post, rule
from .settings import HASTY, POOLS

ProxyWith = Callable[[str], Lab]

SEEN_WITHIN = 0.25  # seconds


def leave(client: Client, how: str) -> float:
    """Goes away; the time of it."""
    if how == "reset":
        client.reset()
    elif how == "half-close":
        client.half_close()
    else:
        client.close()
    return time.monotonic()


async def trickle(conn: Connection, request: Request) -> None:
    """An answer that begins and then says nothing."""
    await request.read()
    await conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"hello"))
    await conn.gone()


async def pour(conn: Connection, request: Request) -> None:
    """An answer without end."""
    await conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await conn.send(chunks(bytes(65536)))


@rule("failures.client-left", "failures.half-close")
@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize(
    ("raw", "script", "until"),
    [
        pytest.param(get(b"/x"), stall, b"", id="waiting for the head"),
        pytest.param(post(b"/x", b"hello"), stall, b"", id="waiting, body sent"),
        pytest.param(post(b"/x", b"hello")[:-2], stall, b"", id="uploading with a length"),
        pytest.param(chunked(b"/x", b"hello", end=b""), stall, b"", id="uploading chunks"),
        pytest.param(get(b"/x"), trickle, b"hello", id="in a quiet answer"),
        pytest.param(get(b"/x"), pour, b"\0" * 100, id="downloading"),
    ],
)
def test_client_that_leaves_is_seen_downstream(
    proxy: Lab, how: str, raw: bytes, script: Callable[..., object], until: bytes
) -> None:
    proxy.origin.script("/x", script)  # type: ignore[arg-type]
    client = proxy.send(raw)
    conn = proxy.origin.wait_head("/x").conn
    if b"hel" in raw:
        proxy.origin.wait_body("/x", 3)
    if until:
        client.read_until(until)
    left = leave(client, how)
    assert proxy.origin.wait_closed(conn) - left < SEEN_WITHIN
    proxy.barrier()


@rule("failures.client-left")
def test_client_that_leaves_the_queue_is_never_sent(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(POOLS)
    gate = proxy.origin.gate()

    async def handler(conn: Connection, request: Request) -> None:
        await gate.wait()
        await conn.send(ok(b"first"))

    proxy.origin.script("/queue/first", handler)
    first = proxy.send(get(b"/queue/first"))
    proxy.origin.wait_head("/queue/first")
    leave(proxy.send(get(b"/queue/left")), "close")
    proxy.barrier()
    gate.open()
    assert first.read_response().body == b"first"
    assert proxy.ask(get(b"/queue/last")).status == 200
    assert not proxy.origin.seen("/queue/left")


@rule("failures.client-left")
def test_client_that_left_is_logged_as_499(proxy: Lab) -> None:
    if proxy.server.process is None:
        pytest.skip("needs the server's log")
    proxy.origin.script("/left-499", stall)
    client = proxy.send(get(b"/left-499"))
    conn = proxy.origin.wait_head("/left-499").conn
    leave(client, "close")
    proxy.origin.wait_closed(conn)
    proxy.barrier()
    line = next(line for line in proxy.server.log().splitlines() if "/left-499" in line)
    assert " 499 " in line


@rule("failures.half-close")
def test_half_close_behind_the_answer_ends_the_connection(proxy: Lab) -> None:
    client = proxy.send(get(b"/x"))
    assert client.read_response().status == 200
    client.half_close()
    assert client.ended()


@pytest.fixture
def hasty(proxy_with: ProxyWith) -> Lab:
    return proxy_with(HASTY)


@rule("failures.slow-head")
@pytest.mark.parametrize("how", ["stalls", "drips"])
@pytest.mark.parametrize("first", [True, False], ids=["first request", "second request"])
def test_slow_head_is_a_timeout(hasty: Lab, how: str, first: bool) -> None:
    client = hasty.connect()
    if not first:
        assert client.send(get(b"/before")).read_response().status == 200
    raw = get(b"/x", b"X-A: " + b"x" * 200)
    began = time.monotonic()
    if how == "stalls":
        client.send(raw[:20])
    else:
        assert client.drip(raw, 0.05) < len(raw)
    assert client.read_response().status == 408
    assert client.ended()
    assert 0.4 < time.monotonic() - began < 3
    assert not hasty.origin.seen("/x")


@rule("failures.slow-body")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(post(b"/x", b"hello")[:-2], id="length"),
        pytest.param(chunked(b"/x", b"hello", end=b""), id="chunked"),
        pytest.param(chunked(b"/x", b"hello", end=b"0\r\nX-T"), id="in a trailer"),
    ],
)
def test_body_that_stalls_is_a_timeout(hasty: Lab, raw: bytes) -> None:
    began = time.monotonic()
    client = hasty.send(raw)
    request = hasty.origin.wait_head("/x")
    assert client.read_response().status == 408
    assert client.ended()
    assert 0.4 < time.monotonic() - began < 3
    hasty.origin.wait_closed(request.conn)
    assert not request.complete


@rule("failures.slow-body")
def test_body_that_keeps_coming_may_take_its_time(hasty: Lab) -> None:
    body = b"0123456789" * 2
    client = hasty.send(post(b"/x", body)[: -len(body)])
    assert client.drip(body, 0.05) == len(body)
    assert client.read_response().status == 200
    assert hasty.origin.wait_request("/x").body == body


@rule("failures.slow-body")
def test_body_below_the_least_rate_is_a_timeout(hasty: Lab) -> None:
    client = hasty.send(get(b"/x", b"Content-Length: 100", method=b"POST"))
    assert client.drip(bytes(100), 0.3) < 20
    assert client.read_response().status == 408
    assert client.ended()
    hasty.origin.wait_closed(hasty.origin.seen("/x")[0].conn)


@rule("failures.idle-connection")
@pytest.mark.parametrize("used", [True, False], ids=["used", "never used"])
def test_idle_connection_is_closed_without_an_answer(hasty: Lab, used: bool) -> None:
    client = hasty.connect()
    if used:
        assert client.send(get(b"/x")).read_response().status == 200
    began = time.monotonic()
    received = client.read_to_end()
    assert received == b"" or (not used and b" 408 " in received.partition(b"\r\n")[0])
    assert 0.4 < time.monotonic() - began < 3


@rule("failures.other-protocol")
@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), id="TLS without a line end"
        ),
        pytest.param(bytes(range(1, 256)) * 300, id="75 KiB of noise"),
        pytest.param(b"\x00" * 100 + b"\n", id="NULs"),
        pytest.param(b"A" * 70_000, id="a line without an end"),
    ],
)
def test_noise_is_answered_in_bounded_time(hasty: Lab, noise: bytes) -> None:
    client = hasty.connect()
    client.pump(noise)
    response = client.read_response()
    assert response.status in (400, 408, 414, 431, 505)
    assert client.read_to_end() == b""
    hasty.barrier()
    assert not hasty.others()
