"""Chapter failures, what stands still: clients that are not read, and clients that do not read."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

import pytest
from downstream_proxy.peers import untaken as unacknowledged

from ..frames import BINARY, TEXT, After, accepting, frame
from ..origin import Connection
from ..recorded import Request
from ..scripts import stall
from ..wire import Client
from .lab import Lab, get, post, rule
from .test_clients import SEEN_WITHIN, leave
from .test_timeouts import best_of, full_since
from .tunnel import handshake

ProxyWith = Callable[[str], Lab]

# A second, so that a tenth of it is more than the 40 ms by which TCP delays an acknowledgement.
SET = 1.0
SETTINGS = f"""
[timeouts]
response_idle = {SET}
keep_alive = 60
"""
LARGE = 64 << 20
"""More than the kernel holds for a connection."""
WAITING, STEP = 7 << 14, 1 << 14
"""More than the proxy holds of requests that wait; the rest has room in its kernel."""


# -- not read


@rule("failures.client-left-unread")
def test_client_that_resets_an_upload_that_nobody_reads_is_seen(proxy: Lab) -> None:
    """A close would stand behind the bytes for which there is no room, in the client's own kernel."""

    async def deaf(conn: Connection, request: Request) -> None:
        conn.stop_reading()
        await gate.wait()
        conn.resume_reading()

    gate = proxy.origin.gate()
    proxy.origin.script("/x", deaf)
    client = proxy.connect()
    assert client.pump(post(b"/x", bytes(LARGE)), quiet=0.3) < LARGE
    conn = proxy.origin.seen("/x")[0].conn
    assert not ended(conn, 0)
    leave(client, "reset")
    assert ended(conn, SEEN_WITHIN)
    gate.open()
    proxy.origin.wait_closed(conn)
    proxy.never_complete()
    proxy.barrier()


def ended(conn: Connection, within: float) -> bool:
    """Whether the kernel knows of the other side's end, though the origin does not read."""
    poll = select.poll()
    poll.register(conn.transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(within * 1000))


@rule("failures.client-left-unread")
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_behind_requests_that_wait_is_seen(proxy: Lab, how: str) -> None:
    proxy.origin.script("/x", stall)
    client = proxy.send(get(b"/x"))
    conn = proxy.origin.wait_head("/x").conn
    # Little by little, so that the proxy stops reading when it holds enough, with the rest in its kernel.
    for _ in range(WAITING // STEP):
        client.send(get(b"/waiting", b"X-A: " + b"a" * STEP))
        proxy.barrier()
    left = leave(client, how)
    assert proxy.origin.wait_closed(conn) - left < SEEN_WITHIN
    proxy.barrier()
    assert not proxy.origin.seen("/waiting")


# -- not reading


async def endless(conn: Connection, request: Request) -> None:
    await request.read()
    await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
    while True:
        await conn.send(bytes(65536))


@pytest.fixture
def impatient(proxy_with: ProxyWith) -> Lab:
    return proxy_with(SETTINGS)


def reader(proxy: Lab, target: bytes) -> Client:
    client = proxy.send(get(target), receive_buffer=65536)
    assert client.read_head().status == 200
    return client


@rule("failures.slow-reader")
def test_client_that_stops_reading_loses_its_connection_in_time(impatient: Lab) -> None:
    impatient.origin.script("/x", endless)

    def measure() -> float:
        before = len(impatient.origin.seen("/x"))
        client = reader(impatient, b"/x")
        began = full_since(client.sock)
        closed = impatient.origin.wait_closed(impatient.origin.seen("/x")[before].conn)
        client.read_to_end()
        assert client.was_reset
        return closed - began

    best_of(measure, SET)


@rule("failures.slow-reader")
def test_client_that_reads_a_little_at_a_time_keeps_its_connection(impatient: Lab) -> None:
    impatient.origin.script("/x", endless)
    client = reader(impatient, b"/x")
    for _ in range(12):
        client.read_exactly(100_000)
        assert not client.eof
        time.sleep(SET / 4)
    assert impatient.origin.seen("/x")[0].conn.closed_at is None
    assert len(client.read_exactly(LARGE // 4)) == LARGE // 4


# -- tunnels

MESSAGE = frame(BINARY, bytes(65000))
LAST = frame(TEXT, b"the last")


def unread_tunnel(proxy: Lab, after: After) -> Client:
    """A tunnel whose client reads nothing behind the handshake."""
    proxy.origin.script("/ws", accepting(after))
    client = proxy.send(handshake(b"/ws"), receive_buffer=65536)
    assert client.read_head().status == 101
    return client


def settled_in_flight(proxy: Lab, others: int) -> None:
    """Waits until no more than `others` requests are in flight, and the one that asks."""
    began = time.monotonic()
    while b"downstream_proxy_inflight %d" % (others + 1) not in proxy.ask(get(b"/-/metrics")).body:
        assert time.monotonic() - began < 5, "the tunnel is still there"
        time.sleep(0.05)


@rule("websocket.vanishing-closes", "websocket.backpressure")
def test_downstream_that_resets_a_tunnel_that_nobody_reads_is_seen(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(SETTINGS)

    async def pour(conn: Connection) -> None:
        while conn.closed_at is None:
            await conn.send(MESSAGE)
            sent.append(1)

    sent: list[int] = []
    client = unread_tunnel(proxy, pour)
    proxy.origin.settled(lambda: len(sent))
    conn = proxy.origin.seen("/ws")[0].conn
    assert conn.closed_at is None
    proxy.origin.loop.call_soon_threadsafe(conn.reset)
    settled_in_flight(proxy, 0)
    client.close()


@rule("websocket.vanishing-closes", "websocket.backpressure")
def test_client_that_reads_late_and_slowly_gets_all_that_the_downstream_left(proxy: Lab) -> None:
    """The downstream's end arrives behind bytes for which the client makes no room for a while."""

    async def pour(conn: Connection) -> None:
        while conn.closed_at is None:
            await conn.send(MESSAGE)
            sent.append(1)

    async def pour_and_end(conn: Connection) -> None:
        for _ in range(count):
            await conn.send(MESSAGE)
        await conn.send(LAST)
        conn.close()

    sent: list[int] = []
    first = unread_tunnel(proxy, pour)
    taken = proxy.origin.settled(lambda: len(sent)) * len(MESSAGE)
    taken -= unacknowledged(proxy.origin.seen("/ws")[0].conn.transport)
    first.reset()
    count = taken * 7 // 8 // len(MESSAGE)
    client = unread_tunnel(proxy, pour_and_end)
    for _ in range(6):
        time.sleep(0.5)
        client.read_exactly(len(MESSAGE))
    assert client.read_to_end().endswith(LAST)
    assert not client.was_reset


@rule("websocket.vanishing-closes", "websocket.backpressure")
def test_client_that_resets_a_tunnel_that_nobody_reads_is_seen(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def deaf(conn: Connection) -> None:
        conn.stop_reading()
        await gate.wait()
        conn.resume_reading()

    proxy.origin.script("/ws", accepting(deaf))
    client = proxy.send(handshake(b"/ws"))
    assert client.read_head().status == 101
    assert client.pump(frame(BINARY, bytes(65000), masked=True) * 1000, quiet=0.3) < LARGE
    conn = proxy.origin.seen("/ws")[0].conn
    leave(client, "reset")
    # Two seconds without the downstream taking anything, and looks to see it.
    assert ended(conn, 2.0 + SEEN_WITHIN)
    gate.open()
    proxy.origin.wait_closed(conn)
