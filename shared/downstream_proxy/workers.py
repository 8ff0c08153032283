"""Several worker processes on one set of listening sockets.

What it is for: starting N workers, replacing those that end unasked, passing signals on, knowing when all
serve.
What it must not know: HTTP, settings, what a worker does, what a reload or a successor is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

from .signals import ORDER_SIGNALS

log = logging.getLogger("downstream_proxy.workers")

_APART: Final = 0.05  # seconds between two stop signals to one worker
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_HANDLED: Final = (*_STOP, *ORDER_SIGNALS, signal.SIGCHLD)
_EARLY: Final = 1.0  # a worker that ends sooner failed to start; starting it again at once would spin
_LONGEST_PAUSE: Final = 5.0
_PID: Final = struct.Struct("=I")


class SuccessorProcess(Protocol):
    """Another supervisor that is to take over."""

    def fileno(self) -> int:
        """Readable when its fate is known."""

    def serves(self, known: bool) -> bool: ...


class Orders(Protocol):
    """What the supervisor asks of whoever started it. runtime_command.SupervisorRuntime is one."""

    watchdog: float | None

    def ready(self) -> None:
        """All workers serve, at the start and after each reload."""

    def reload(self) -> bool:
        """True when the workers are to reload."""

    def restart(self) -> SuccessorProcess | None: ...
    def succeeded(self, successor: Any, /) -> None: ...
    def stopping(self) -> None: ...
    def alive(self) -> None: ...

    def end_within(self) -> float:
        """Seconds that a worker has to end in."""


class Supervisor:
    """Runs `work` in `count` forked processes until a stop signal and the end of them all.

    `work` returns the worker's exit code; 2 (bad configuration) ends them all. A worker calls `say_ready`
    when it serves, and after each SIGHUP. `slot` is its number in a worker, from 0; one that takes an ended
    one's place has the same. After the first stop signal they have `orders.end_within()`
    seconds, then SIGKILL. A second one is passed on too, and ends a worker at once.
    """

    def __init__(self, count: int, work: Callable[[], int], orders: Orders) -> None:
        self._count = count
        self._work = work
        self._orders = orders
        self._started: dict[int, float] = {}
        self._slots: dict[int, int] = {}
        self.slot = 0
        self._silent: set[int] = set()  # workers that have not yet said that they serve
        self._successor: SuccessorProcess | None = None
        self._early_ends = 0
        self._start_after = 0.0
        self._alive_at = time.monotonic()
        self._kill_at: float | None = None
        self._exit_code = 0
        # The kernel closes the write end however the supervisor dies; workers take that as a stop signal.
        self._lifeline, self._held = os.pipe()
        self._heard, self._ready = os.pipe()
        os.set_blocking(self._heard, False)

    def run(self) -> int:
        """Exit code: 0 after a clean stop, 2 when a worker could not use the configuration, else 1."""
        wake, notify = socket.socketpair()
        with wake, notify:
            wake.setblocking(False)
            notify.setblocking(False)
            for number in _HANDLED:
                signal.signal(number, lambda *_: None)
            signal.set_wakeup_fd(notify.fileno(), warn_on_full_buffer=False)
            while self._started or self._kill_at is None:
                while self._timeout() == 0.0 and self._kill_at is None:
                    self._start_worker()
                self._wait(wake)
                self._receive(wake)
                self._reap()
                self._hear()
                if self._started and self._kill_at is not None and self._timeout() == 0.0:
                    log.warning("%d workers did not end in time; killing them", len(self._started))
                    self._send(signal.SIGKILL)
                    self._kill_at = time.monotonic() + 1.0
            signal.set_wakeup_fd(-1)
        return self._exit_code

    def say_ready(self) -> None:
        """In a worker: it serves, by the newest configuration that it was told of."""
        os.write(self._ready, _PID.pack(os.getpid()))

    def _wait(self, wake: socket.socket) -> None:
        """Until there is something to do."""
        timeouts = [self._timeout()]
        if self._orders.watchdog is not None:
            if self._alive_at <= time.monotonic():
                self._orders.alive()
                self._alive_at = time.monotonic() + self._orders.watchdog / 2
            timeouts.append(self._alive_at - time.monotonic())
        readers: list[Any] = [wake, self._heard]
        if self._successor is not None:
            readers.append(self._successor)
        ready, _, _ = select.select(
            readers, [], [], min((t for t in timeouts if t is not None), default=None)
        )
        if self._successor in ready:
            self._succeed()

    def _receive(self, wake: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for received in wake.recv(4096):  # one byte per signal, in order
                if received in _STOP:
                    self._stop()
                elif received == signal.SIGHUP:
                    self._reload()
                elif received == signal.SIGUSR2 and self._successor is None and self._kill_at is None:
                    self._successor = self._orders.restart()

    def _reload(self) -> None:
        if self._kill_at is None and self._orders.reload():
            self._silent.update(self._started)
            self._send(signal.SIGHUP)

    def _succeed(self) -> None:
        successor, self._successor = self._successor, None
        if successor is not None and successor.serves(True) and self._kill_at is None:
            self._orders.succeeded(successor)
            self._kill_at = time.monotonic() + self._orders.end_within()
            self._send(signal.SIGUSR2)

    def _hear(self) -> None:
        """Who serves by now."""
        with contextlib.suppress(BlockingIOError):
            for (pid,) in _PID.iter_unpack(os.read(self._heard, 1024 * _PID.size)):
                self._silent.discard(pid)
                if not self._silent and len(self._started) == self._count and self._kill_at is None:
                    self._orders.ready()

    def _start_worker(self) -> None:
        self.slot = min(set(range(self._count)) - set(self._slots.values()))
        # Blocked around the fork: until its reset a worker would write signals into our socket pair.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker()
            self._started[pid] = time.monotonic()
            self._slots[pid] = self.slot
            self._silent.add(pid)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)

    def _become_worker(self) -> NoReturn:
        code = 1
        try:
            os.close(self._held)
            # Out of the terminal's group: Ctrl-C would come twice, and the second signal means "at once".
            os.setpgrp()
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # SIGTERM stays blocked for the same reason: systemd sends it to all processes of a unit.
            # The supervisor alone tells a worker to stop, and does so with SIGINT. The orders stay blocked
            # until the worker takes them, so that none is lost.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, set(_HANDLED) - {signal.SIGTERM, *ORDER_SIGNALS})
            threading.Thread(target=self._watch_supervisor, name="supervisor-watch", daemon=True).start()
            code = self._work()
        except KeyboardInterrupt:
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # without exit handlers: they belong to the supervisor, whose memory this copied

    def _watch_supervisor(self) -> None:
        os.read(self._lifeline, 1)
        os.kill(os.getpid(), signal.SIGINT)

    def _stop(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._orders.end_within()
            self._orders.stopping()
            if self._successor is not None:
                self._successor.serves(False)
                self._successor = None
        else:
            # Of two signals that follow at once a worker would see one: a pending signal is not queued again.
            time.sleep(_APART)
        self._send(signal.SIGINT)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._started:  # none of them is reaped yet, so each number is still this worker's
            os.kill(pid, number)

    def _reap(self) -> None:
        for pid in list(self._started):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._on_end(pid, os.waitstatus_to_exitcode(status))

    def _on_end(self, pid: int, code: int) -> None:
        lived = time.monotonic() - self._started.pop(pid)
        self._silent.discard(pid)
        del self._slots[pid]
        if self._kill_at is not None:
            self._exit_code = self._exit_code or int(code != 0)
            return
        if code == 2:
            self._exit_code = 2
            self._stop()
            return
        self._early_ends = self._early_ends + 1 if lived < _EARLY else 0
        pause = min(0.1 * 2 ** (self._early_ends - 1), _LONGEST_PAUSE) if self._early_ends else 0.0
        self._start_after = time.monotonic() + pause
        log.warning("worker %d ended with code %d; starting another in %.1f s", pid, code, pause)

    def _timeout(self) -> float | None:
        """Seconds until something is due unasked; None when nothing is."""
        if self._kill_at is None and len(self._started) == self._count:
            return None
        due = self._start_after if self._kill_at is None else self._kill_at
        return max(0.0, due - time.monotonic())
