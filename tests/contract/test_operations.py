"""Chapter operations: starting, stopping and looking inside lose no request."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..backends import Backend
from ..origin import Connection, Origin
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, stall
from .lab import Lab, get, rule, wait_refused
from .settings import ADMIN_ELSEWHERE

ProxyWith = Callable[[str], Lab]
Start = Callable[[str], Lab]


@rule("operations.admin")
def test_health_and_readiness_are_answered_here(proxy: Lab) -> None:
    healthy = proxy.ask(get(b"/-/healthy"))
    assert (healthy.status, healthy.body) == (200, b"ok\n")
    assert proxy.ask(get(b"/-/ready")).status == 200
    assert proxy.ask(get(b"/-/healthy", method=b"HEAD")).status == 200
    for target in (b"/-/nothing", b"/-/", b"/-/healthy/x", b"/-/%68ealthy"):
        assert proxy.ask(get(target)).status == 404
    assert not proxy.others()


@rule("operations.admin")
@pytest.mark.parametrize(
    "target", [b"/-", b"/%2d/healthy", b"//-/healthy", b"/x/../-/healthy", b"/-x/healthy"]
)
def test_what_only_resembles_the_admin_prefix_is_forwarded(proxy: Lab, target: bytes) -> None:
    assert proxy.forwarded(get(target)).target == target


@rule("operations.metrics")
def test_metrics_are_for_allowed_peers(proxy: Lab, proxy_with: ProxyWith) -> None:
    response = proxy.ask(get(b"/-/metrics"))
    assert response.status == 200
    assert (response.one(b"content-type") or b"").startswith(b"text/plain")
    assert b"# TYPE " in response.body
    elsewhere = proxy_with(ADMIN_ELSEWHERE)
    elsewhere.origin.reset()  # its start asked for /-/healthy, which goes downstream here
    assert elsewhere.ask(get(b"/.internal/metrics")).status == 403
    forged = b"X-Forwarded-For: 10.0.0.1"
    assert elsewhere.ask(get(b"/.internal/metrics", forged)).status == 403
    assert elsewhere.ask(get(b"/.internal/ready")).status == 200
    assert elsewhere.forwarded(get(b"/-/metrics")).target == b"/-/metrics"


@rule("operations.drain", "operations.drain-tells-clients")
def test_sigterm_lets_requests_end_and_exits_cleanly(start: Start) -> None:
    lab = start("")
    gates = [lab.origin.gate(), lab.origin.gate()]

    async def later(conn: Connection, request: Request) -> None:
        await gates[0].wait()
        await conn.send(ok(b"whole"))

    async def half(conn: Connection, request: Request) -> None:
        await conn.send(ok(b"whole")[:-3])
        await gates[1].wait()
        await conn.send(b"ole")

    lab.origin.script("/later", later)
    lab.origin.script("/half", half)
    idle = lab.connect()
    idle.send(get(b"/idle")).read_response()
    clients = [lab.send(get(b"/later")), lab.send(get(b"/half"))]
    lab.origin.wait_head("/later")
    head = clients[1].read_head()
    lab.server.signal(signal.SIGTERM)
    wait_refused(lab.server)
    assert idle.ended()
    for gate in gates:
        gate.open()
    response = clients[0].read_response()
    assert response.body == b"whole"
    assert b"close" in b",".join(response.all(b"connection")).lower()
    assert clients[0].ended()
    assert clients[1].read_body(head).body == b"whole"
    assert clients[1].ended()
    assert lab.server.wait() == 0


@rule("operations.drain-tells-clients")
def test_a_request_on_its_way_to_an_idle_connection_is_answered_while_draining(start: Start) -> None:
    lab = start("[timeouts]\nshutdown_idle = 30\n")
    gate = lab.origin.gate()

    async def half(conn: Connection, request: Request) -> None:
        await conn.send(ok(b"whole")[:-3])
        await gate.wait()
        await conn.send(b"ole")

    lab.origin.script("/half", half)
    idle, fresh, busy = lab.connect(), lab.connect(), lab.send(get(b"/half"))
    idle.send(get(b"/first")).read_response()
    head = busy.read_head()
    fresh.send(b"GET /")
    lab.barrier()
    lab.server.signal(signal.SIGTERM)
    wait_refused(lab.server)
    gate.open()
    busy.read_body(head)  # it had announced to stay
    fresh.send(b"x HTTP/1.1\r\nHost: proxy\r\n\r\n")
    for client in (idle.send(get(b"/last")), busy.send(get(b"/last")), fresh):
        response = client.read_response()
        assert response.status == 200
        assert response.one(b"connection") == b"close"
        assert client.ended()
    assert lab.server.wait() == 0


@rule("operations.drain-ready")
def test_readiness_fails_before_the_listener_closes(start: Start) -> None:
    lab = start("[timeouts]\nshutdown_delay = 1.5\n")
    lab.server.signal(signal.SIGTERM)
    deadline = time.monotonic() + 1.4
    while lab.ask(get(b"/-/ready")).status != 503:
        assert time.monotonic() < deadline
    lab.barrier()
    assert lab.ask(get(b"/-/healthy")).status == 200
    wait_refused(lab.server)
    assert lab.server.wait() == 0


@rule("operations.drain-deadline")
def test_what_does_not_end_is_aborted_at_the_deadline(start: Start) -> None:
    lab = start("[timeouts]\nshutdown = 0.5\n")
    lab.origin.script("/x", stall)
    client = lab.send(get(b"/x"))
    conn = lab.origin.wait_head("/x").conn
    began = time.monotonic()
    lab.server.signal(signal.SIGTERM)
    try:
        assert client.read_response().status >= 500
    except TruncatedError:
        assert client.eof
    lab.origin.wait_closed(conn)
    assert lab.server.wait() == 0
    assert 0.4 < time.monotonic() - began < 4


@rule("operations.second-signal")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(start: Start, second: signal.Signals) -> None:
    lab = start("[timeouts]\nshutdown = 60\n")
    lab.origin.script("/x", stall)
    lab.send(get(b"/x"))
    lab.origin.wait_head("/x")
    lab.server.signal(signal.SIGTERM)
    wait_refused(lab.server)
    assert lab.server.process is not None
    assert lab.server.process.poll() is None
    lab.server.signal(second)
    lab.server.wait(5)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@rule("operations.worker-replaced")
def test_killed_worker_is_replaced_while_the_other_serves(start: Start) -> None:
    lab = start("workers = 2\n")
    assert lab.server.process is not None
    pid = lab.server.process.pid
    before = children(pid)
    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while before[0] in (now := children(pid)) or len(now) < len(before):
        assert time.monotonic() < deadline, f"{before} became {now}"
        with contextlib.suppress(TruncatedError, ConnectionResetError):  # one the killed worker had accepted
            assert lab.ask(get(b"/x")).status == 200
    lab.barrier()


_COUNTED = re.compile(
    rb'requests_total\{downstream="default",method="GET",status="2xx"\} ([0-9.]+)|proxy_workers ([0-9.]+)'
)


def counted_by_all(lab: Lab, workers: int, number: float) -> None:
    """Waits until the metrics are those of so many workers and hold so many requests; never more."""
    deadline = time.monotonic() + 10
    while True:
        found = _COUNTED.findall(lab.ask(get(b"/-/metrics")).body)
        requests = sum(float(count) for count, _ in found if count)
        reporting = sum(float(count) for _, count in found if count)
        assert requests <= number
        if (reporting, requests) == (workers, number):
            return
        assert time.monotonic() < deadline, found


@rule("operations.worker-metrics")
def test_metrics_tell_of_all_workers_and_outlive_one(start: Start) -> None:
    lab = start("workers = 2\n")
    assert lab.server.process is not None
    for _ in range(20):
        assert lab.ask(get(b"/x")).status == 200
    counted_by_all(lab, 2, 20)
    pid = lab.server.process.pid
    before = children(pid)
    os.kill(before[0], signal.SIGKILL)
    while before[0] in (now := children(pid)) or len(now) < 2:
        time.sleep(0.01)
    counted_by_all(lab, 2, 20)


@rule("operations.start-without-downstream")
def test_start_does_not_need_the_downstream(start: Start) -> None:
    gone = Origin()
    port = gone.address[1]
    gone.stop()
    lab = start(f'[downstreams.late]\nurl = "http://127.0.0.1:{port}"\n')
    assert lab.ask(get(b"/x")).status == 502
    assert lab.ask(get(b"/-/healthy")).status == 200
    late = Origin(port=port)
    assert lab.ask(get(b"/x")).status == 200
    late.stop()


@rule("operations.bad-settings", "headers.no-injection")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ('hots = "::"\n', "hots"),
        ("[limits]\nmax_inflight = -1\n", "max_inflight"),
        ('[downstreams.x]\nurl = "ftp://127.0.0.1"\n', "url"),
        ("not toml at all\n", "proxy.toml"),
        ('[downstreams.x]\nurl = "http://a"\nrequest_headers.set = { X-A = "b\\r\\nX-C: d" }\n', "X-A"),
    ],
)
def test_settings_that_cannot_work_end_the_start(
    backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory, settings: str, named: str
) -> None:
    code, errors = backend.failing_start(settings, origin, tmp_path_factory.getbasetemp())
    assert code == 2
    assert named in errors
    assert "Traceback" not in errors
