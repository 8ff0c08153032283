"""Several worker processes on one set of listening sockets.

What it is for: starting N workers, replacing those that end unasked, passing signals on.
What it must not know: HTTP, settings, what a worker does, how the supervisor itself is restarted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

log = logging.getLogger("downstream_proxy.workers")

_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_HANDLED: Final = (*_STOP, signal.SIGHUP, signal.SIGCHLD)
_EARLY: Final = 1.0  # a worker that ends sooner failed to start; starting it again at once would spin
_LONGEST_PAUSE: Final = 5.0


class Supervisor:
    """Runs `work` in `count` forked processes until a stop signal and the end of them all.

    `work` returns the worker's exit code; 2 (bad configuration) ends them all. After the first stop signal
    they have `grace` seconds, then SIGKILL. A second one is passed on too, and ends a worker at once.
    """

    def __init__(self, count: int, work: Callable[[], int], grace: float) -> None:
        self._count = count
        self._work = work
        self._grace = grace
        self._started: dict[int, float] = {}
        self._early_ends = 0
        self._start_after = 0.0
        self._kill_at: float | None = None
        self._exit_code = 0
        # The kernel closes the write end however the supervisor dies; workers take that as a stop signal.
        self._lifeline, self._held = os.pipe()

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
                select.select([wake], [], [], self._timeout())
                with contextlib.suppress(BlockingIOError):
                    for received in wake.recv(4096):  # one byte per signal, in order
                        if received in _STOP:
                            self._stop()
                        elif received == signal.SIGHUP:
                            self._send(signal.SIGHUP)
                self._reap()
                if self._started and self._kill_at is not None and self._timeout() == 0.0:
                    log.warning("%d workers did not end in time; killing them", len(self._started))
                    self._send(signal.SIGKILL)
                    self._kill_at = time.monotonic() + 1.0
            signal.set_wakeup_fd(-1)
        return self._exit_code

    def _start_worker(self) -> None:
        # Blocked around the fork: until its reset a worker would write signals into our socket pair.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker()
            self._started[pid] = time.monotonic()
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
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            # SIGTERM stays blocked for the same reason: systemd sends it to all processes of a unit.
            # The supervisor alone tells a worker to stop, and does so with SIGINT.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, set(_HANDLED) - {signal.SIGTERM})
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
        self._kill_at = self._kill_at or time.monotonic() + self._grace
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
