"""Chapter failures, time: each deadline fires when it says, and only what it is for.

A deadline of `SET` seconds has to fire then or up to `SLACK` later, and not before. Measured around the
event, from the client's side. A loaded machine can be late with everything, so the best of `TRIES` counts: a
deadline that is wrong is wrong each time.
"""

from __future__ import annotations

import array
import fcntl
import socket
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply, stall
from .failure_cases import until_head
from .failure_places import black_hole
from .lab import Lab, chunks, get, post, rule

ProxyWith = Callable[[str], Lab]

SET = 0.5
SLACK = max(0.1 * SET, 0.05)
TRIES = 3
EARLY = 0.01

SETTINGS = """
[limits]
min_request_body_rate = 100
[timeouts]
request_head = 0.5
request_body_idle = 0.5
keep_alive = 0.5
[downstreams.pool]
prefix = "/pool"
url = "http://$ORIGIN"
pool = {{ max_connections = 1 }}
timeouts = {{ pool = 0.5 }}
[downstreams.connect]
prefix = "/connect"
url = "http://{hole}"
timeouts = {{ connect = 0.5 }}
[downstreams.dns]
prefix = "/dns"
url = "http://slow.invalid"
timeouts = {{ connect = 0.5 }}
[downstreams.upper]
prefix = "/upper"
url = "http://$ORIGIN"
delivery = "transform"
transform = "{package}.sabotage:upper"
[downstreams.head]
prefix = "/head"
url = "http://$ORIGIN"
timeouts = {{ head = 0.5 }}
[downstreams.idle]
prefix = "/idle"
url = "http://$ORIGIN"
timeouts = {{ head = 0.2, read_idle = 0.5 }}
[downstreams.total]
prefix = "/total"
url = "http://$ORIGIN"
timeouts = {{ total = 0.5 }}
[downstreams.quiet]
prefix = "/quiet"
url = "http://$ORIGIN"
timeouts = {{ head = 0.2, pool = 0.2, connect = 0.2 }}
"""

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def hole() -> Iterator[str]:
    with black_hole() as authority:
        yield authority


@pytest.fixture
def lab(proxy_with: ProxyWith, hole: str) -> Lab:
    return proxy_with(SETTINGS.format(hole=hole, package=__package__))


def best_of(measure: Callable[[], float], seconds: float = SET) -> None:
    """`measure()` gives the seconds that a deadline of `seconds` took; one of TRIES has to be in time."""
    taken = []
    slack = max(0.1 * seconds, 0.05)
    for _ in range(TRIES):
        taken.append(measure())
        assert taken[-1] >= seconds * 0.95 - EARLY, f"early: {taken}"
        if taken[-1] <= seconds + slack:
            return
    raise AssertionError(f"late each time: {taken}")


def seconds_to(lab: Lab, raw: bytes, status: int) -> float:
    began = time.monotonic()
    assert lab.ask(raw).status == status
    return time.monotonic() - began


def full_since(sock: socket.socket) -> float:
    """When the last byte found room in the kernel of an end that reads nothing."""
    held, since = 0, time.monotonic()
    while time.monotonic() - since < SET * 0.8:
        size = array.array("i", [0])
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, size)
        if size[0] != held:
            held, since = size[0], time.monotonic()
        time.sleep(0.002)
    return since


@rule("limits.pool-deadline")
def test_pool_deadline_fires_in_time(lab: Lab) -> None:
    lab.origin.script("/pool/first", stall)
    until_head(lab, get(b"/pool/first"))
    best_of(lambda: seconds_to(lab, get(b"/pool/second"), 503))


@rule("failures.connect-timeout")
@pytest.mark.parametrize("place", ["connect", "dns"])
def test_connect_deadline_fires_in_time(lab: Lab, place: str) -> None:
    """A lookup gets a twentieth less than the whole, so that the two can be told apart."""
    best_of(lambda: seconds_to(lab, get(f"/{place}/x".encode()), 504))


@rule("failures.connect-timeout")
def test_connect_deadline_holds_for_the_tls_handshake(proxy_with: ProxyWith) -> None:
    """Somebody takes the connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        more = f"timeouts = {{ connect = {SET} }}\ntls = {{ verify = false }}\n"
        lab = proxy_with(f'[downstreams.tls]\nurl = "{url}"\n{more}')
        best_of(lambda: seconds_to(lab, get(b"/x"), 504))


@rule("failures.head-timeout")
@pytest.mark.parametrize("how", ["silent", "dripping", "interim"])
def test_head_deadline_fires_in_time(lab: Lab, how: str) -> None:
    async def drip(conn: Connection, request: Request) -> None:
        piece = b"HTTP/1.1 102 Processing\r\n\r\n" if how == "interim" else b"HTTP/1.1 200 OK\r\nX-A: "
        await conn.send(piece)
        for _ in range(20):
            await conn.quiet(0.1)
            await conn.send(piece if how == "interim" else b"a")

    lab.origin.script("/head/x", stall if how == "silent" else drip)
    best_of(lambda: seconds_to(lab, get(b"/head/x"), 504))


@rule("failures.head-timeout")
def test_head_deadline_runs_from_the_end_of_the_request(lab: Lab) -> None:
    """A long upload does not use up the time for the answer."""
    lab.origin.script("/head/x", stall)

    def measure() -> float:
        raw = post(b"/head/x", bytes(1000))
        client = lab.send(raw[:-900])
        for _ in range(8):
            assert not client.readable(0.1)
            client.send(bytes(100))
        began = time.monotonic()
        client.send(bytes(100))
        assert client.read_response().status == 504
        return time.monotonic() - began

    best_of(measure)


def seconds_to_the_cut(lab: Lab, target: bytes, until: bytes) -> float:
    """From the moment the client has `until` to the end of the connection."""
    client = lab.send(get(target))
    client.read_until(until)
    began = time.monotonic()
    client.read_to_end()
    return time.monotonic() - began


@rule("failures.read-idle")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"hello!")[:-1], id="length"),
        pytest.param(HEAD + chunks(b"hello"), id="chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", id="until the close"),
    ],
)
def test_idle_deadline_fires_in_time(lab: Lab, answer: bytes) -> None:
    lab.origin.script("/idle/x", reply(answer))
    best_of(lambda: seconds_to_the_cut(lab, b"/idle/x", b"hello"))


@rule("failures.total")
def test_total_deadline_fires_in_time_before_the_head(lab: Lab) -> None:
    lab.origin.script("/total/x", stall)
    best_of(lambda: seconds_to(lab, get(b"/total/x"), 504))


async def drip_for_ever(conn: Connection, request: Request) -> None:
    await conn.send(HEAD)
    while True:
        await conn.send(chunks(b"a"))
        await conn.quiet(0.03)


@rule("failures.total")
def test_total_deadline_fires_in_time_within_the_body(lab: Lab) -> None:
    lab.origin.script("/total/x", drip_for_ever)

    def measure() -> float:
        began = time.monotonic()
        with pytest.raises(TruncatedError):
            lab.ask(get(b"/total/x"))
        return time.monotonic() - began

    best_of(measure)


@rule("failures.total", "failures.read-idle")
@pytest.mark.parametrize("place", ["quiet", "idle"])
def test_stream_outlives_every_deadline_but_its_own(lab: Lab, place: str) -> None:
    """One that is silent for longer than head, pool and connect; one that lives for longer than read_idle."""
    target = f"/{place}/x".encode()
    pause, times = (1.0, 1) if place == "quiet" else (0.25, 6)

    async def stream(conn: Connection, request: Request) -> None:
        await conn.send(HEAD)
        for _ in range(times):
            await conn.quiet(pause)
            await conn.send(chunks(b"tick"))
        await conn.send(b"0\r\n\r\n")

    lab.origin.script(target, stream)
    began = time.monotonic()
    assert lab.ask(get(target)).body == b"tick" * times
    assert time.monotonic() - began >= pause * times


# -- the client's side


@rule("failures.slow-head")
def test_request_head_deadline_fires_in_time(lab: Lab) -> None:
    best_of(lambda: seconds_to(lab, get(b"/quiet/x")[:-2], 408))


@rule("failures.slow-body")
def test_request_body_deadline_fires_in_time(lab: Lab) -> None:
    best_of(lambda: seconds_to(lab, post(b"/quiet/x", b"hello")[:-5], 408))


@rule("failures.slow-body")
def test_body_under_the_least_rate_is_a_timeout(lab: Lab) -> None:
    """20 bytes a second are too few where 100 are asked for, though something comes all the time."""
    raw = post(b"/quiet/x", bytes(1000))
    client = lab.send(raw[:-1000])
    assert client.drip(raw[-1000:], 0.05) < 30
    assert client.read_response().status == 408
    lab.origin.wait_closed(lab.origin.wait_head("/quiet/x").conn)
    lab.never_complete()


@rule("failures.slow-body")
def test_body_over_the_least_rate_may_take_its_time(lab: Lab) -> None:
    raw = post(b"/quiet/x", bytes(600))
    client = lab.send(raw[:-600])
    for _ in range(30):
        assert not client.readable(0.05)
        client.send(bytes(20))
    assert client.read_response().status == 200


@rule("failures.slow-body")
def test_rate_of_0_asks_for_any_byte_only(proxy_with: ProxyWith) -> None:
    lab = proxy_with("[limits]\nmin_request_body_rate = 0\n[timeouts]\nrequest_body_idle = 0.3\n")
    raw = post(b"/x", bytes(10))
    assert lab.send(raw[:-10]).drip(bytes(10), 0.1) == 10
    assert lab.clients[-1].read_response().status == 200


@rule("failures.slow-body")
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
def test_upload_may_take_longer_than_an_idle_connection_is_kept(proxy_with: ProxyWith, kept: bool) -> None:
    lab = proxy_with('[downstreams.x]\nurl = "http://$ORIGIN"\npool = { keep_alive = 0.3 }\n')
    if kept:
        lab.barrier()
    raw = post(b"/x", bytes(8))
    assert lab.send(raw[:-8]).drip(bytes(8), 0.1) == 8
    assert lab.clients[-1].read_response().status == 200
    if kept:
        assert len({request.conn for request in lab.origin.requests}) == 1


@rule("failures.slow-body")
def test_origin_that_reads_slowly_is_not_the_clients_fault(lab: Lab) -> None:
    """The proxy itself stopped reading the client: the pace says nothing about it."""
    gate = lab.origin.gate()

    async def late(conn: Connection, request: Request) -> None:
        conn.transport.pause_reading()
        await conn.quiet(1.3)
        conn.transport.resume_reading()
        await request.read()
        await conn.send(ok(b"late"))
        await gate.wait()

    lab.origin.script("/quiet/x", late)
    client = lab.connect()
    client.sock.settimeout(8)
    client.send(post(b"/quiet/x", bytes(24 << 20)))
    assert client.read_response().body == b"late"
    gate.open()


@rule("failures.slow-body", "bodies.expect-continue")
def test_client_that_waits_for_100_is_not_slow(lab: Lab) -> None:
    """The downstream lets a second pass before the body is sent unasked: the client's silence is right."""
    client = lab.send(post(b"/upper/x", b"hello", b"Expect: 100-continue")[:-5])
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
    assert client.send(b"hello").read_response().status == 200


@rule("failures.idle-connection")
def test_idle_connection_is_closed_in_time(lab: Lab) -> None:
    def measure() -> float:
        client = lab.send(get(b"/quiet/x"))
        client.read_response()
        began = time.monotonic()
        assert client.ended()
        return time.monotonic() - began

    best_of(measure)
