"""The supervisor of several workers, each test in processes of its own.

The workers under test write one line to a pipe when they are ready or get a signal, so nothing here sleeps.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

# A worker that says "ready PID", then "signal NAME PID" for each signal, and ends at the first SIGINT.
WORKER = """
import os, signal, socket, sys
from downstream_proxy.workers import Supervisor

LAST = 1

class Orders:
    watchdog = None

    def __init__(self, grace):
        self.grace = grace

    def end_within(self):
        return self.grace

    def reload(self):
        return True

    def restart(self):
        return None

    def nothing(self, *_):
        pass

    ready = succeeded = stopping = alive = nothing

def say(text):
    os.write(1, f"{text} {os.getpid()}\\n".encode())

def work():
    signal.alarm(30)  # ends even a stubborn worker that a failed test leaves behind
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    known = (signal.SIGINT, signal.SIGHUP)
    for number in known:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, known)
    say("ready")
    stops = 0
    while stops < LAST:
        for number in reader.recv(1):
            say(f"signal {signal.Signals(number).name}")
            stops += number == signal.SIGINT
    return 0
"""
STUBBORN = WORKER.replace("LAST = 1", "LAST = 1000")
FAILS = WORKER.replace("    stops = 0", "    return 1")
Start = Callable[..., "Supervised"]
DEADLINE = 20.0


class Supervised:
    """A supervisor in its own process, and the lines its workers write."""

    def __init__(self, code: str, workers: int, grace: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{code}\nsys.exit(Supervisor({workers}, work, Orders({grace})).run())"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.rest = b""

    def line(self) -> str:
        """The next line; AssertionError when none comes."""
        until = time.monotonic() + DEADLINE
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.output], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self.output.fileno(), 4096) if ready else b""
            assert chunk, f"no further line; got {self.rest!r}"
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def pids(self, count: int) -> list[int]:
        """The process ids of the next `count` workers that become ready."""
        lines = [self.line() for _ in range(count)]
        assert all(line.startswith("ready ") for line in lines), lines
        return [int(line.split()[1]) for line in lines]

    def remaining(self) -> bytes:
        """Everything after the last line taken, until all writers have ended."""
        return self.rest + self.output.read()

    def end(self) -> int:
        return self.process.wait(DEADLINE)


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Supervised] = []

    def begin(code: str = WORKER, workers: int = 2, grace: float = 10.0) -> Supervised:
        made.append(Supervised(code, workers, grace))
        return made[-1]

    yield begin
    for supervised in made:
        if supervised.process.poll() is None:
            supervised.process.kill()  # its workers see the lifeline end
        supervised.process.communicate(timeout=35)


def gone(pid: int) -> bool:
    """True once the process has ended; waits for it."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_reaches_every_worker_once_and_the_exit_code_is_0(
    start: Start, number: signal.Signals
) -> None:
    supervised = start(workers=3)
    pids = supervised.pids(3)
    supervised.process.send_signal(number)
    assert sorted(supervised.line() for _ in pids) == sorted(f"signal SIGINT {pid}" for pid in pids)
    assert supervised.end() == 0
    assert supervised.remaining() == b""


def test_a_signal_to_the_whole_group_is_not_counted_twice(start: Start) -> None:
    # Ctrl-C in a terminal goes to the foreground group; a worker must not take it for the second signal.
    supervised = start(STUBBORN, workers=1, grace=0.3)
    (pid,) = supervised.pids(1)
    supervised.process.send_signal(
        signal.SIGSTOP
    )  # what the group's signal does shows before what it passes on
    os.killpg(supervised.process.pid, signal.SIGINT)
    os.kill(pid, signal.SIGHUP)
    assert supervised.line() == f"signal SIGHUP {pid}"
    supervised.process.send_signal(signal.SIGCONT)
    assert supervised.line() == f"signal SIGINT {pid}"
    assert supervised.end() == 1
    assert supervised.remaining() == b"", "no second signal came before the end"


def test_sigterm_to_a_worker_itself_is_left_to_the_supervisor(start: Start) -> None:
    # systemd sends SIGTERM to every process of the unit at once.
    supervised = start(workers=1)
    (pid,) = supervised.pids(1)
    os.kill(pid, signal.SIGTERM)
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.line() == f"signal SIGINT {pid}"
    assert supervised.end() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crashed_worker_is_replaced_while_the_other_stays(start: Start, number: signal.Signals) -> None:
    supervised = start(workers=2)
    first, second = supervised.pids(2)
    os.kill(first, number)
    (third,) = supervised.pids(1)
    assert third not in (first, second)
    supervised.process.send_signal(signal.SIGTERM)
    ended = {supervised.line() for _ in range(2)}
    assert ended == {f"signal SIGINT {second}", f"signal SIGINT {third}"}
    assert supervised.end() == 0


def test_sighup_is_passed_on_and_ends_nothing(start: Start) -> None:
    supervised = start(workers=2)
    pids = supervised.pids(2)
    supervised.process.send_signal(signal.SIGHUP)
    assert sorted(supervised.line() for _ in pids) == sorted(f"signal SIGHUP {pid}" for pid in pids)
    supervised.process.send_signal(signal.SIGTERM)
    assert all(supervised.line().startswith("signal SIGINT") for _ in pids)
    assert supervised.end() == 0


def test_a_worker_that_does_not_know_sighup_keeps_running(start: Start) -> None:
    supervised = start(WORKER.replace("(signal.SIGINT, signal.SIGHUP)", "(signal.SIGINT,)"), workers=1)
    (pid,) = supervised.pids(1)
    supervised.process.send_signal(signal.SIGHUP)
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.line() == f"signal SIGINT {pid}"
    assert supervised.end() == 0


def test_a_second_stop_signal_is_passed_on_too(start: Start) -> None:
    supervised = start(WORKER.replace("LAST = 1", "LAST = 2"), workers=1)
    (pid,) = supervised.pids(1)
    for _ in range(2):
        supervised.process.send_signal(signal.SIGTERM)
        assert supervised.line() == f"signal SIGINT {pid}"
    assert supervised.end() == 0


def test_a_worker_that_will_not_end_is_killed_after_its_grace(start: Start) -> None:
    supervised = start(STUBBORN, workers=1, grace=0.3)
    (pid,) = supervised.pids(1)
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.line() == f"signal SIGINT {pid}"
    assert supervised.end() == 1
    assert gone(pid)


def test_workers_end_when_their_supervisor_is_killed(start: Start) -> None:
    supervised = start(workers=2)
    pids = supervised.pids(2)
    supervised.process.kill()
    assert sorted(supervised.line() for _ in pids) == sorted(f"signal SIGINT {pid}" for pid in pids)
    assert all(gone(pid) for pid in pids)


def test_a_configuration_no_worker_can_use_ends_them_all_with_code_2(start: Start) -> None:
    supervised = start(FAILS.replace("return 1", "return 2"), workers=2)
    assert supervised.end() == 2


def test_a_worker_that_cannot_start_is_not_started_in_a_loop(start: Start) -> None:
    supervised = start(FAILS, workers=1)
    began = time.monotonic()
    supervised.pids(4)
    # Pauses of 0.1, 0.2 and 0.4 seconds lie between four starts.
    assert time.monotonic() - began > 0.6
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.end() in (0, 1)


def test_an_exception_in_a_worker_shows_its_traceback_and_the_worker_is_replaced(start: Start) -> None:
    supervised = start(FAILS.replace("return 1", 'raise RuntimeError("broken here")'), workers=1)
    supervised.pids(2)
    supervised.process.send_signal(signal.SIGTERM)
    _, errors = supervised.process.communicate(timeout=DEADLINE)
    assert b"RuntimeError: broken here" in errors
