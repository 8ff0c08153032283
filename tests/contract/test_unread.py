"""Chapter failures, what stands still: clients that are not read, and clients that do not read."""

from __future__ import annotations

import array
import fcntl
import select
import termios
import time
from collections.abc import Callable

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import stall
from ..wire import Client
from .lab import Lab, get, post, rule
from .test_clients import SEEN_WITHIN, leave
from .test_timeouts import SET, best_of

ProxyWith = Callable[[str], Lab]

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


def full_since(client: Client) -> float:
    """When the last byte found room in the client's kernel."""
    held, since = 0, time.monotonic()
    while time.monotonic() - since < SET * 0.8:
        size = array.array("i", [0])
        fcntl.ioctl(client.sock.fileno(), termios.FIONREAD, size)
        if size[0] != held:
            held, since = size[0], time.monotonic()
        time.sleep(0.002)
    return since


@rule("failures.slow-reader")
def test_client_that_stops_reading_loses_its_connection_in_time(impatient: Lab) -> None:
    impatient.origin.script("/x", endless)

    def measure() -> float:
        before = len(impatient.origin.seen("/x"))
        client = reader(impatient, b"/x")
        began = full_since(client)
        closed = impatient.origin.wait_closed(impatient.origin.seen("/x")[before].conn)
        client.read_to_end()
        assert client.was_reset
        return closed - began

    best_of(measure)


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
