"""Chapter websocket, behind the 101: frames pass byte for byte, within limits, until one side ends."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest

from ..frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    accepting,
    close,
    frame,
    frames_in,
    read_frame,
)
from ..origin import Connection
from .lab import Lab, rule
from .settings import WEBSOCKETS
from .tunnel import answer_close, handshake, mirror, open_tunnel, tunnelled

ProxyWith = Callable[[str], Lab]

# Bytes on their way when one end stops reading: mostly the kernel's buffers, which grow to 32 MiB by default.
HELD = 64 << 20


STREAMS = {
    "text": frame(TEXT, b"hello"),
    "empty": frame(TEXT),
    "125, 126 and 65,536 bytes": b"".join(frame(BINARY, bytes(n)) for n in (125, 126, 65535, 65536)),
    "fragments": frame(TEXT, b"he", final=False)
    + frame(CONTINUATION, b"l", final=False)
    + frame(CONTINUATION, b"lo"),
    "a ping between fragments": frame(TEXT, b"he", final=False)
    + frame(PING, b"p")
    + frame(CONTINUATION, b"llo"),
    "pings and pongs": frame(PING, b"x" * 125) + frame(PONG) + frame(PONG, b"unasked"),
    "cut characters": frame(TEXT, b"\xc3", final=False) + frame(CONTINUATION, b"\xa9"),
    "reserved opcode and bits": frame(3, b"x") + frame(11, b"y") + frame(TEXT, b"z", rsv=7),
    "invalid UTF-8": frame(TEXT, b"\xff\xfe"),
}


@rule("websocket.frames-exact", "websocket.invalid-utf8")
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
@pytest.mark.parametrize("cut", [1 << 20, 1, 3], ids=["whole", "byte by byte", "in threes"])
def test_frames_pass_byte_for_byte_both_ways(proxy: Lab, stream: bytes, cut: int) -> None:
    client = open_tunnel(proxy, mirror)
    pieces = stream[:600] if cut < 1 << 20 else stream
    for n in range(0, len(pieces), cut):
        client.send(pieces[n : n + cut])
    client.send(stream[len(pieces) :])
    assert client.read_exactly(len(stream)) == stream
    assert tunnelled(proxy)[1]() == stream


@rule("websocket.frames-exact")
def test_many_messages_of_many_sizes_pass(proxy: Lab) -> None:
    dice = random.Random(3)
    client = open_tunnel(proxy, mirror)
    stream = b"".join(
        frame(BINARY, dice.randbytes(dice.choice([0, 1, 125, 126, 4000, 70_000])), masked=True)
        for _ in range(200)
    )
    for n in range(0, len(stream), 50_000):
        piece = stream[n : n + 50_000]
        assert client.send(piece).read_exactly(len(piece)) == piece


@rule("websocket.frames-exact", "websocket.message-limit")
def test_message_of_16_mib_passes_by_default(proxy: Lab) -> None:
    async def count(conn: Connection) -> None:
        await conn.read_exactly(len(message))
        await conn.send(frame(TEXT, b"got it"))

    message = frame(BINARY, bytes(16 << 20), masked=True)
    client = open_tunnel(proxy, count)
    client.send(message)
    assert read_frame(client.read_exactly) == (TEXT, b"got it")


@rule("websocket.close-crosses")
@pytest.mark.parametrize(
    "payload", [close(1000, b"bye"), close(4999, "é".encode() * 61), close(), close(1005), close(999)]
)
@pytest.mark.parametrize("who", ["client", "downstream"])
def test_close_frame_crosses_as_it_is(proxy: Lab, payload: bytes, who: str) -> None:
    if who == "downstream":

        async def leave(conn: Connection) -> None:
            await conn.send(payload)
            await conn.read_until(b"\x88\x80" + KEY[:4])
            conn.close()  # RFC 6455 7.1.1: the server closes first

        client = open_tunnel(proxy, leave)
        assert client.read_exactly(len(payload)) == payload
        client.send(b"\x88\x80" + KEY[:4])
        assert client.ended()
    else:
        client = open_tunnel(proxy, mirror)
        client.send(payload)
        assert client.read_exactly(len(payload)) == payload
        client.close()
    conn, received = tunnelled(proxy)
    proxy.origin.wait_closed(conn)
    assert received() == (payload if who == "client" else b"\x88\x80" + KEY[:4])


# -- limits and ends


@rule("websocket.message-limit")
@pytest.mark.parametrize("who", ["client", "downstream"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda m: frame(BINARY, bytes(1001), masked=m), id="one frame"),
        pytest.param(
            lambda m: frame(BINARY, bytes(600), final=False, masked=m) + frame(0, bytes(401), masked=m),
            id="two",
        ),
        pytest.param(
            lambda m: b"\x82" + bytes([127 | m << 7]) + (1 << 40).to_bytes(8, "big") + bytes(8),
            id="announced",
        ),
    ],
)
def test_message_over_the_limit_closes_both_sides(
    proxy_with: ProxyWith, who: str, make: Callable[[bool], bytes]
) -> None:
    proxy = proxy_with(WEBSOCKETS)
    too_big = make(who == "client")

    async def serve(conn: Connection) -> None:
        if who == "downstream":
            await conn.send(too_big)
        await answer_close(conn)

    client = open_tunnel(proxy, serve)
    if who == "client":
        client.send(too_big)
    frames: list[tuple[int, bytes]] = []
    while not frames or frames[-1][0] != CLOSE:
        frames.append(read_frame(client.read_exactly))
    assert frames[-1][1][:2] == (1009).to_bytes(2, "big")
    conn, received = tunnelled(proxy)
    client.send(close(1009, masked=True))
    client.read_to_end()
    proxy.origin.wait_closed(conn)
    told = frames_in(received())
    assert all(len(payload) < 1000 for _, payload in told), "the message went on"
    assert (CLOSE, (1009).to_bytes(2, "big")) in told


@rule("websocket.message-limit")
def test_messages_within_the_limit_are_counted_one_by_one(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(WEBSOCKETS)
    client = open_tunnel(proxy, mirror)
    whole = frame(BINARY, bytes(1000), masked=True)
    parts = frame(TEXT, bytes(500), final=False, masked=True) + frame(PING, b"p", masked=True)
    stream = whole + parts + frame(CONTINUATION, bytes(500), masked=True) + whole
    assert client.send(stream).read_exactly(len(stream)) == stream


@rule("websocket.backpressure")
def test_reader_that_stops_stops_the_writer(proxy: Lab) -> None:
    taken: list[int] = []
    message = frame(BINARY, bytes(65000))

    async def pour(conn: Connection) -> None:
        while len(taken) < 2000:
            await conn.send(message)
            taken.append(1)

    proxy.origin.script("/ws", accepting(pour))
    client = proxy.send(handshake(b"/ws"), receive_buffer=65536)
    assert client.read_head().status == 101
    assert proxy.origin.settled(lambda: len(taken)) * 65000 < HELD
    assert len(client.read_exactly(len(message) * 2000)) == len(message) * 2000


@rule("websocket.backpressure")
def test_downstream_that_stops_reading_stops_the_client(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def wait(conn: Connection) -> None:
        conn.stop_reading()
        await gate.wait()
        conn.resume_reading()
        await conn.read_exactly(len(stream))
        await conn.send(frame(TEXT, b"all"))

    stream = frame(BINARY, bytes(65000), masked=True) * 1500
    client = open_tunnel(proxy, wait)
    sent = client.pump(stream, quiet=0.5)
    assert sent < HELD
    gate.open()
    assert client.pump(stream[sent:]) == len(stream) - sent
    assert read_frame(client.read_exactly) == (TEXT, b"all")


@rule("websocket.vanishing-closes")
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("who", ["client", "downstream"])
def test_one_side_vanishing_closes_the_other(proxy: Lab, who: str, how: str) -> None:
    gate = proxy.origin.gate()

    async def vanish(conn: Connection) -> None:
        if who == "downstream":
            await gate.wait()
            conn.reset() if how == "reset" else conn.close()

    client = open_tunnel(proxy, vanish)
    conn, _ = tunnelled(proxy)
    if who == "client":
        client.reset() if how == "reset" else client.close()
        left = time.monotonic()
        assert proxy.origin.wait_closed(conn) - left < 0.25
    else:
        gate.open()
        assert client.ended()
    proxy.barrier()


@rule("websocket.drain")
def test_draining_says_going_away(start: Callable[[str], Lab]) -> None:
    lab = start("")
    client = open_tunnel(lab, answer_close)
    conn, received = tunnelled(lab)
    lab.server.signal(signal.SIGTERM)
    opcode, payload = read_frame(client.read_exactly)
    assert (opcode, payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
    client.send(close(1001, masked=True))
    client.read_to_end()
    lab.origin.wait_closed(conn)
    assert received()[:1] == b"\x88"
    assert lab.server.wait() == 0
