"""What the tunnel holds, and how it ends: memory, limits, and both ways out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..backends import Backend, Server
from ..contract.lab import Lab
from ..contract.tunnel import handshake, open_tunnel
from ..frames import BINARY, CLOSE, PING, TEXT, accepting, close, frame, read_frame, upgrade
from ..origin import Connection, Origin
from ..recorded import Request

MIB = 1 << 20


@pytest.fixture
def proxy(backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(backend.server("", origin, tmp_path_factory.getbasetemp()), origin)
    yield lab
    for client in lab.clients:
        client.close()
    assert "Traceback" not in lab.server.new_log()


def resident(server: Server) -> int:
    """Bytes of memory that the server's process holds."""
    assert server.process is not None
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4096


def test_stalled_readers_do_not_grow_memory(proxy: Lab) -> None:
    """Ten clients that read nothing while the downstream has 16 MiB for each."""
    proxy.barrier()
    before = resident(proxy.server)
    sent: list[int] = []

    async def pour(conn: Connection) -> None:
        for _ in range(256):
            await conn.send(frame(BINARY, bytes(65000)))
            sent.append(1)

    proxy.origin.script("/ws", accepting(pour))
    clients = [proxy.send(handshake(b"/ws"), receive_buffer=65536) for _ in range(10)]
    taken = proxy.origin.settled(lambda: len(sent)) * 65000
    assert taken < 160 * MIB
    grown = resident(proxy.server) - before
    for client in clients:
        client.close()
    assert grown < 20 * MIB


@pytest.mark.parametrize("over", [0, 1])
def test_sixteen_mib_pass_and_one_byte_more_does_not(proxy: Lab, over: int) -> None:
    async def count(conn: Connection) -> None:
        await conn.read_exactly(len(message))
        await conn.send(frame(TEXT, b"got it"))

    message = frame(BINARY, bytes(16 * MIB + over), masked=True)
    client = open_tunnel(proxy, count)
    client.pump(message)
    opcode, payload = read_frame(client.read_exactly)
    assert (opcode, payload[:2]) == ((CLOSE, (1009).to_bytes(2, "big")) if over else (TEXT, b"go"))
    client.close()


def test_frames_and_end_that_come_with_the_101_arrive(proxy: Lab) -> None:
    stream = frame(TEXT, b"first") + frame(BINARY, bytes(300_000)) + close(1000, b"bye")

    async def at_once(conn: Connection, request: Request) -> None:
        await conn.send(upgrade(request) + stream)
        conn.half_close()
        await conn.gone()

    proxy.origin.script("/ws", at_once)
    client = proxy.send(handshake(b"/ws"))
    assert client.read_head().status == 101
    assert client.read_to_end() == stream


def test_last_words_arrive_although_the_client_is_sending(proxy: Lab) -> None:
    """A close with bytes unread would be a reset, and the Close frame might be lost with it."""
    last = close(1008, b"enough")

    async def leave(conn: Connection) -> None:
        await conn.read_exactly(100_000)
        await conn.send(last)
        # As servers do; closing here would be the origin's own reset.
        conn.half_close()
        await conn.gone()

    client = open_tunnel(proxy, leave)
    client.pump(frame(BINARY, bytes(8 * MIB), masked=True))
    assert client.read_to_end() == last
    assert not client.was_reset


def test_what_was_sent_before_the_client_left_arrives(proxy: Lab) -> None:
    stream = frame(BINARY, bytes(2 * MIB), masked=True) + frame(PING, b"last", masked=True)
    client = open_tunnel(proxy)
    client.send(stream)
    left = time.monotonic()
    client.close()
    conn = proxy.origin.seen(b"/ws")[0].conn
    assert proxy.origin.wait_closed(conn) - left < 0.25 + 1.0
    assert bytes(conn.received).endswith(stream)


def inflight(proxy: Lab) -> list[bytes]:
    body = proxy.ask(b"GET /-/metrics HTTP/1.1\r\nHost: proxy\r\n\r\n").body
    return [line for line in body.splitlines() if b"inflight" in line and not line.startswith(b"#")]


def test_tunnel_that_ended_is_logged_once_and_gives_its_place_back(proxy: Lab) -> None:
    client = open_tunnel(proxy, target=b"/counted")
    during = inflight(proxy)
    client.close()
    proxy.origin.wait_closed(proxy.origin.seen(b"/counted")[0].conn)
    deadline = time.monotonic() + 8
    while '"GET /counted" 101' not in proxy.server.log() and time.monotonic() < deadline:
        proxy.barrier()
    assert proxy.server.log().count('"GET /counted" 101') == 1
    assert inflight(proxy) != during
