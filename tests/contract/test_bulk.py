"""Chapter bodies, for content so large that it may go past the proxy's own buffers: nothing else changes."""

from __future__ import annotations

import random

import pytest

from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply
from .lab import Lab, get, rule

NOISE = random.Random(2).randbytes(3 << 20)


@rule("bodies.relayed-exactly")
@pytest.mark.parametrize("size", [(1 << 17) - 1, (1 << 17) + 1, (1 << 18) + (1 << 14), 1 << 20, 3 << 20])
def test_large_content_arrives_byte_for_byte(proxy: Lab, size: int) -> None:
    proxy.origin.script("/x", reply(ok(NOISE[:size])))
    client = proxy.send(get(b"/x"))
    for _ in range(3):
        assert client.read_response().body == NOISE[:size]
        client.send(get(b"/x"))
    assert client.read_response().body == NOISE[:size]


@rule("bodies.relayed-exactly")
def test_large_content_arrives_byte_for_byte_at_a_client_that_pauses(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(ok(NOISE)))
    client = proxy.send(get(b"/x"), receive_buffer=4096)
    response = client.read_head()
    body = b""
    while len(body) < len(NOISE):
        proxy.origin.settled(lambda: 0)  # until whoever can has filled every buffer on the way
        body = client.read_some(response, min(len(body) + 700_000, len(NOISE)))
    assert body == NOISE


@rule("bodies.longer-than-announced")
def test_surplus_behind_large_content_reaches_nobody(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(ok(NOISE) + ok(b"surplus")))
    client = proxy.send(get(b"/x"))
    assert client.read_response().body == NOISE
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)
    client.send(get(b"/y"))
    assert b"surplus" not in client.read_response().body


@rule("bodies.cut-length")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("missing", [1, 1 << 15, 1 << 20])
def test_cut_in_large_content_is_seen(proxy: Lab, missing: int, reset: bool) -> None:
    proxy.origin.script("/x", reply(ok(NOISE)[:-missing], close=not reset, reset=reset))
    client = proxy.send(get(b"/x"))
    with pytest.raises((TruncatedError, ConnectionResetError)):
        client.read_response()


@rule("failures.client-left")
def test_client_that_leaves_large_content_ends_the_exchange(proxy: Lab) -> None:
    async def more_than_fits(conn: Connection, request: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        for _ in range(16):
            await conn.send(NOISE)
        await conn.gone()

    proxy.origin.script("/x", more_than_fits)
    client = proxy.send(get(b"/x"))
    client.read_some(client.read_head(), 1 << 20)
    client.close()
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)
