"""Chapter operations: SIGHUP puts a new configuration to use while requests are under way."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ..backends import Backend
from ..frames import TEXT, accepting, frame
from ..origin import Connection, Origin
from ..recorded import Request
from ..scripts import ok, stall
from .lab import Lab, get, post, rule
from .tunnel import handshake, mirror

Start = Callable[[str], Lab]

MARKED = '[downstreams.default]\nurl = "http://$ORIGIN"\nresponse_headers.set = { X-Generation = "%d" }\n'


def reloads(lab: Lab) -> dict[str, int]:
    """How often, by outcome."""
    text = lab.ask(get(b"/-/metrics")).body.decode()
    found = re.findall(r'^downstream_proxy_reloads_total\{outcome="(\w+)"\} (\d+)', text, re.MULTILINE)
    return {outcome: int(count) for outcome, count in found}


def reload(lab: Lab, settings: str, outcome: str = "success") -> None:
    """Changes the file, sends SIGHUP, and waits until it has had its effect."""
    before = reloads(lab)[outcome]
    lab.server.configure(settings)
    lab.server.signal(signal.SIGHUP)
    deadline = time.monotonic() + 8
    while reloads(lab)[outcome] == before:
        assert time.monotonic() < deadline, lab.server.log()[-2000:]


def generation(lab: Lab) -> bytes | None:
    return lab.ask(get(b"/x")).one(b"x-generation")


@rule("operations.reload")
def test_requests_in_progress_end_by_the_old_and_later_ones_begin_by_the_new_configuration(
    start: Start,
) -> None:
    lab = start(MARKED % 1)
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
    lab.origin.script("/ws", accepting(mirror))
    kept = lab.connect()
    assert kept.send(get(b"/x")).read_response().one(b"x-generation") == b"1"
    waiting, downloading = lab.send(get(b"/later")), lab.send(get(b"/half"))
    uploading = lab.send(post(b"/up", b"0123456789")[:-5])
    tunnel = lab.send(handshake(b"/ws"))
    assert tunnel.read_head().status == 101
    lab.origin.wait_head("/later")
    lab.origin.wait_head("/up")
    head = downloading.read_head()
    for number in (2, 3):
        reload(lab, MARKED % number)
    # A connection belongs to no configuration; a request does.
    assert kept.send(get(b"/x")).read_response().one(b"x-generation") == b"3"
    assert generation(lab) == b"3"
    for gate in gates:
        gate.open()
    assert waiting.read_response().one(b"x-generation") == b"1"
    assert downloading.read_body(head).body == b"whole"
    assert uploading.send(b"56789").read_response().one(b"x-generation") == b"1"
    for client in (waiting, downloading, uploading):
        assert client.send(get(b"/x")).read_response().one(b"x-generation") == b"3"
    text = frame(TEXT, b"still here", masked=True)
    assert tunnel.send(text).read_exactly(len(text)) == text


@rule("operations.reload")
def test_a_downstream_that_is_gone_answers_what_it_was_asked_before(start: Start) -> None:
    two = MARKED % 1 + '[downstreams.old]\nurl = "http://$ORIGIN"\nprefix = "/old"\n'
    lab = start(two)
    gate = lab.origin.gate()

    async def later(conn: Connection, request: Request) -> None:
        await gate.wait()
        await conn.send(ok(b"whole"))

    lab.origin.script("/old/x", later)
    client = lab.send(get(b"/old/x"))
    lab.origin.wait_head("/old/x")
    reload(lab, MARKED % 2 + 'prefix = "/new"\n')
    assert lab.ask(get(b"/old/x")).status == 404
    gate.open()
    assert client.read_response().body == b"whole"
    deadline = time.monotonic() + 8
    while b'pool{downstream="old"' in lab.ask(get(b"/-/metrics")).body:
        assert time.monotonic() < deadline, "the old configuration is never closed"


@rule("operations.reload")
def test_what_earlier_requests_take_of_the_limit_is_not_given_twice_and_ends_in_time(start: Start) -> None:
    limit = "[limits]\nmax_inflight = 1\n"
    lab = start(limit)
    lab.origin.script("/stalled", stall)
    stalled = lab.send(get(b"/stalled"))
    conn = lab.origin.wait_head("/stalled").conn
    reload(lab, limit)
    assert lab.ask(get(b"/x")).status == 503
    reload(lab, limit + "[timeouts]\nreload = 0.2\n")
    assert stalled.read_response().status == 502
    lab.origin.wait_closed(conn)
    assert lab.server.said("ending 1 requests of an earlier configuration")
    deadline = time.monotonic() + 8
    while lab.ask(get(b"/x")).status == 503:
        assert time.monotonic() < deadline, "its place is never given back"


@rule("operations.reload")
def test_new_connections_are_read_by_the_new_limits(start: Start) -> None:
    lab = start("")
    reload(lab, "[limits]\nmax_target = 100\n[timeouts]\nrequest_head = 0.2\n")
    assert lab.ask(get(b"/" + b"x" * 200)).status == 414
    assert lab.send(b"GET / HTTP/1.1\r\n").read_response().status == 408


@rule("operations.reload")
def test_what_takes_a_restart_is_said_in_one_line_and_the_rest_is_loaded(start: Start) -> None:
    lab = start(MARKED % 1)
    reload(lab, "port = 1\nworkers = 3\n" + MARKED % 2)
    assert generation(lab) == b"2"
    assert "a reload does not change port, workers; restart for that" in lab.server.log()


BROKEN = {
    '[downstreams.default]\nurl = "http://$ORIGIN"\npoool = {}\n': r"proxy\.toml:3: unknown key .*poool",
    "[limits]\nmax_target = -1\n": r"proxy\.toml:2: limits\.max_target: ",
    "port = \n": r"proxy\.toml:1: not valid TOML: ",
    '[downstreams.x]\nurl = "http://a"\ndelivery = "transform"\ntransform = "no_such:x"\n': (
        r"downstreams\.x\.transform: .*no_such"
    ),
}


@rule("operations.reload-refused")
def test_a_broken_file_leaves_the_old_configuration_and_says_where(start: Start) -> None:
    lab = start(MARKED % 1)
    for broken, said in BROKEN.items():
        reload(lab, broken, "failure")
        assert lab.server.said(f"the configuration stays as it is: .*{said}")
        assert generation(lab) == b"1"
    reload(lab, MARKED % 2)
    assert generation(lab) == b"2"
    assert reloads(lab) == {"success": 1, "failure": len(BROKEN)}


@rule("operations.reload")
def test_counters_go_on_and_time_of_the_reload_shows(start: Start) -> None:
    lab = start(MARKED % 1)
    assert generation(lab) == b"1"
    began = time.time()
    reload(lab, MARKED % 2)
    assert generation(lab) == b"2"
    text = lab.ask(get(b"/-/metrics")).body.decode()
    assert 'requests_total{downstream="default",method="GET",status="2xx"} 2.0' in text
    loaded = re.search(r"^downstream_proxy_config_last_reload_success_timestamp_seconds (\S+)", text, re.M)
    assert loaded is not None
    assert float(loaded[1]) >= began - 1


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@rule("operations.reload", "operations.reload-refused")
def test_every_worker_reloads_and_one_that_replaces_a_crashed_one_has_the_last_good_file(
    start: Start,
) -> None:
    lab = start("workers = 2\n" + MARKED % 1)
    assert lab.server.process is not None
    pid = lab.server.process.pid
    deadline = time.monotonic() + 8
    reload(lab, "workers = 2\n" + MARKED % 2)
    while any(generation(lab) != b"2" for _ in range(20)):
        assert time.monotonic() < deadline, "a worker stays with the old configuration"
    reload(lab, "workers = two\n", "failure")
    for child in children(pid):
        os.kill(child, signal.SIGKILL)
    assert {generation(lab) for _ in range(5)} == {b"2"}
    assert reloads(lab) == {"success": 1, "failure": 1}, "the counts are those of the process, not a worker's"


@rule("operations.drain")
def test_the_listener_of_several_workers_closes_too(start: Start, backend: Backend, origin: Origin) -> None:
    lab = start("workers = 2\n")
    gate = lab.origin.gate()

    async def later(conn: Connection, request: Request) -> None:
        await gate.wait()
        await conn.send(ok(b"whole"))

    lab.origin.script("/later", later)
    client = lab.send(get(b"/later"))
    lab.origin.wait_head("/later")
    lab.server.signal(signal.SIGTERM)
    deadline = time.monotonic() + 8
    while True:
        try:
            lab.server.connect().close()
        except OSError:
            break
        assert time.monotonic() < deadline, "the listener stays open"
    gate.open()
    assert client.read_response().body == b"whole"
    assert lab.server.wait() == 0
