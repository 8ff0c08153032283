"""Chapter operations: SIGUSR2 lets a new process take over."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from ..frames import CLOSE, accepting, frames_in
from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, stall
from .lab import Lab, get, rule
from .tunnel import answer_close, handshake

Start = Callable[[str], Lab]

MARKED = '[downstreams.default]\nurl = "http://$ORIGIN"\nresponse_headers.set = { X-Generation = "%d" }\n'
SERVES = r"process (\d+) serves; this one ends"


@pytest.fixture
def start_one(start: Start) -> Iterator[Start]:
    """`start` for a server that may be another process at the end."""
    labs: list[Lab] = []

    def make(settings: str) -> Lab:
        labs.append(start(settings))
        return labs[-1]

    yield make
    for lab in labs:
        for pid in successors(lab):
            with contextlib.suppress(ProcessLookupError):
                end = os.pidfd_open(pid)
                for number in (signal.SIGTERM, signal.SIGINT):  # its delay is not what is tested
                    os.kill(pid, number)
                assert select.select([end], [], [], 15)[0], f"{pid} does not end"
                os.close(end)


def successors(lab: Lab) -> list[int]:
    return [int(pid) for pid in re.findall(SERVES, lab.server.log())]


def restart(lab: Lab, workers: int = 1) -> int:
    """Sends SIGUSR2; the process that serves then, once each worker of the old one has stopped listening."""
    lab.server.signal(signal.SIGUSR2)
    deadline = time.monotonic() + 15
    while not successors(lab) or lab.server.log().count("draining: ") < workers:
        assert time.monotonic() < deadline, lab.server.log()[-2000:]
        time.sleep(0.01)
    return successors(lab)[-1]


@rule("operations.restart")
def test_a_new_process_takes_over_and_the_old_one_ends_what_it_has(start_one: Start) -> None:
    settings = "workers = 2\n[timeouts]\nshutdown_idle = 30\nshutdown_delay = 30\n"
    lab = start_one(settings + MARKED % 1)
    gate = lab.origin.gate()

    async def half(conn: Connection, request: Request) -> None:
        await conn.send(ok(b"whole")[:-3])
        await gate.wait()
        await conn.send(b"ole")

    lab.origin.script("/half", half)
    lab.origin.script("/ws", accepting(answer_close))
    idle, downloading, tunnel = lab.connect(), lab.send(get(b"/half")), lab.send(handshake(b"/ws"))
    assert idle.send(get(b"/x")).read_response().one(b"x-generation") == b"1"
    head = downloading.read_head()
    assert tunnel.read_head().status == 101
    lab.server.configure(settings + MARKED % 2)
    restart(lab, workers=2)
    # Readiness does not fail: the service is ready, whichever of its processes is asked.
    assert {lab.ask(get(b"/-/ready")).status for _ in range(5)} == {200}
    assert {lab.ask(get(b"/x")).one(b"x-generation") for _ in range(5)} == {b"2"}
    assert frames_in(tunnel.read_to_end()) == [(CLOSE, (1001).to_bytes(2))]
    gate.open()
    assert downloading.read_body(head).body == b"whole"
    last = idle.send(get(b"/x")).read_response()
    assert (last.one(b"x-generation"), last.one(b"connection")) == (b"1", b"close")
    for client in (idle, downloading):
        client.close()
    assert lab.server.wait() == 0
    lab.barrier()


@rule("operations.restart")
def test_a_new_process_that_cannot_serve_changes_nothing(start_one: Start) -> None:
    lab = start_one(MARKED % 1)
    lab.server.configure('workers = "none"\n')
    lab.server.signal(signal.SIGUSR2)
    deadline = time.monotonic() + 15
    while not lab.server.said("ended with code 2 and did not take over; this one goes on"):
        assert time.monotonic() < deadline, lab.server.log()[-2000:]
        time.sleep(0.01)
    assert lab.ask(get(b"/x")).one(b"x-generation") == b"1"
    assert "proxy.toml:1: workers: " in lab.server.log()


@rule("operations.restart", "operations.second-signal")
def test_a_stop_signal_ends_at_once_what_a_successor_has_left(start_one: Start) -> None:
    lab = start_one("[timeouts]\nshutdown = 60\n")
    lab.origin.script("/x", stall)
    lab.send(get(b"/x"))
    lab.origin.wait_head("/x")
    restart(lab)
    assert lab.server.process is not None
    assert lab.server.process.poll() is None
    lab.server.signal(signal.SIGTERM)
    assert lab.server.wait(5) == 0
    lab.barrier()
