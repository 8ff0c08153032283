"""Chapter limits: what is over a bound waits in order or is told so at once, and every place comes back."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply, stall
from .lab import Lab, get, post, rule
from .settings import INFLIGHT, POOLS

ProxyWith = Callable[[str], Lab]


def hold(proxy: Lab, target: str) -> Callable[[], None]:
    """Makes the origin hold its answers to this target; the result lets them go."""
    gate = proxy.origin.gate()

    async def handler(conn: Connection, request: Request) -> None:
        await request.read()
        await gate.wait()
        await conn.send(ok(b"held"))

    proxy.origin.script(target, handler)
    return gate.open


@pytest.fixture
def pools(proxy_with: ProxyWith) -> Lab:
    return proxy_with(POOLS)


@rule("limits.pool-queue")
def test_requests_wait_for_a_connection_in_order(pools: Lab) -> None:
    release = hold(pools, "/queue/a")
    clients = []
    for target in (b"/queue/a", b"/queue/b", b"/queue/c"):
        clients.append(pools.send(get(target)))
        pools.origin.wait_head("/queue/a")
        pools.barrier()
    assert [request.target for request in pools.others()] == [b"/queue/a"]
    release()
    for client in clients:
        assert client.read_response().status == 200
    assert [request.target for request in pools.others()] == [b"/queue/a", b"/queue/b", b"/queue/c"]


@rule("limits.pool-queue-full")
def test_full_queue_is_told_at_once(pools: Lab) -> None:
    release = hold(pools, "/queue/a")
    waiting = []
    for target in (b"/queue/a", b"/queue/b", b"/queue/c"):
        waiting.append(pools.send(get(target)))
        pools.origin.wait_head("/queue/a")
        pools.barrier()
    began = time.monotonic()
    response = pools.ask(post(b"/queue/d", b"hello"))
    assert response.status == 503
    assert int(response.one(b"retry-after") or b"0") > 0
    assert time.monotonic() - began < 0.25
    release()
    assert [client.read_response().status for client in waiting] == [200, 200, 200]
    assert not pools.origin.seen("/queue/d")


@rule("limits.pool-deadline")
def test_waiting_too_long_is_told(pools: Lab) -> None:
    release = hold(pools, "/impatient/a")
    first = pools.send(get(b"/impatient/a"))
    pools.origin.wait_head("/impatient/a")
    began = time.monotonic()
    response = pools.ask(get(b"/impatient/b"))
    assert response.status == 503
    assert int(response.one(b"retry-after") or b"0") > 0
    assert 0.3 < time.monotonic() - began < 2
    release()
    assert first.read_response().status == 200
    assert not pools.origin.seen("/impatient/b")


@rule("limits.inflight")
def test_requests_over_the_process_limit_are_told_at_once(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(INFLIGHT)
    release = hold(proxy, "/a")
    clients = [proxy.send(get(b"/a")) for _ in range(2)]
    proxy.origin.wait_head("/a", 2)
    response = proxy.ask(get(b"/b"))
    assert response.status == 503
    assert int(response.one(b"retry-after") or b"0") > 0
    assert proxy.ask(get(b"/-/healthy")).status == 200
    release()
    assert [client.read_response().status for client in clients] == [200, 200]
    proxy.barrier()
    assert not proxy.origin.seen("/b")


@rule("limits.neighbours")
def test_stuck_downstream_does_not_delay_another(pools: Lab) -> None:
    release = hold(pools, "/queue/a")
    stuck = [pools.send(get(b"/queue/a")) for _ in range(3)]
    pools.origin.wait_head("/queue/a")
    for _ in range(20):
        began = time.monotonic()
        pools.barrier()
        assert time.monotonic() - began < 0.5
    release()
    assert [client.read_response().status for client in stuck] == [200, 200, 200]


def leave_waiting(proxy: Lab) -> None:
    proxy.origin.script("/queue/x", stall)
    client = proxy.send(get(b"/queue/x"))
    proxy.origin.wait_head("/queue/x")
    client.reset()


def leave_uploading(proxy: Lab) -> None:
    client = proxy.send(post(b"/queue/x", b"hello")[:-2])
    proxy.origin.wait_body("/queue/x", 3)
    client.close()


def leave_downloading(proxy: Lab) -> None:
    proxy.origin.script("/queue/x", reply(ok(bytes(100))[:-50]))
    client = proxy.send(get(b"/queue/x"))
    client.read_head()
    client.close()


def answered_by(data: bytes, **how: bool) -> Callable[[Lab], None]:
    def end(proxy: Lab) -> None:
        proxy.origin.script("/queue/x", reply(data, **how))
        with contextlib.suppress(TruncatedError):
            proxy.ask(post(b"/queue/x", b"hello"))

    return end


def early_answer(proxy: Lab) -> None:
    proxy.origin.script("/queue/x", reply(ok(b"no"), read=False))
    client = proxy.send(get(b"/queue/x", b"Content-Length: 10000000", method=b"POST"))
    assert client.read_response().body == b"no"


def bad_body(proxy: Lab) -> None:
    client = proxy.send(get(b"/queue/x", b"Transfer-Encoding: chunked", method=b"POST") + b"zz\r\n")
    assert client.read_response().status == 400


@rule("limits.slot-released")
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(leave_waiting, id="client left waiting"),
        pytest.param(leave_uploading, id="client left uploading"),
        pytest.param(leave_downloading, id="client left downloading"),
        pytest.param(answered_by(b"", close=True), id="closed without an answer"),
        pytest.param(answered_by(b"", reset=True), id="reset without an answer"),
        pytest.param(answered_by(b"nonsense\r\n\r\n"), id="nonsense"),
        pytest.param(answered_by(ok(b"hello")[:-1], close=True), id="cut"),
        pytest.param(answered_by(ok(b"hello") + b"surplus"), id="surplus"),
        pytest.param(
            answered_by(ok(b"hello", b"Connection: close"), close=True), id="closed behind the answer"
        ),
        pytest.param(early_answer, id="early answer"),
        pytest.param(bad_body, id="malformed request body"),
    ],
)
def test_every_end_gives_the_place_back(pools: Lab, end: Callable[[Lab], None]) -> None:
    for _ in range(5):
        end(pools)
        began = time.monotonic()
        assert pools.ask(get(b"/queue/next")).status == 200
        assert time.monotonic() - began < 1


@rule("limits.descriptors")
def test_running_out_of_descriptors_is_survived(start: ProxyWith) -> None:
    lab = start("")
    assert lab.server.process is not None
    pid = lab.server.process.pid
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
    for _ in range(60):
        lab.send(get(b"/x"))
    lab.clients[0].read_response()
    for client in lab.clients:
        client.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:  # what still waits to be accepted may find no descriptor left
        with contextlib.suppress(TruncatedError, ConnectionResetError):
            assert lab.ask(get(b"/-/healthy")).status == 200
            break
    lab.barrier()
