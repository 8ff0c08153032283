"""Handing the listening sockets to a new process, so that new code takes over without a closed door.

What it is for: on SIGUSR2 the serving process starts the command it was started with once more; the new one
gets the sockets, says that it serves, and the old one drains. When the new one fails, the old one goes on.
What it must not know: HTTP, workers, how a process drains.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from itertools import chain

from .settings import Settings

logger = logging.getLogger("downstream_proxy")

VARIABLE = "_DOWNSTREAM_PROXY_HANDOVER"
"""READY_FD:FD,FD:FD:ADDRESS, in the environment of the new process only."""

Listening = tuple[list[socket.socket], list[socket.socket]]
"""The sockets of the proxy, and those of `admin.listen`."""

_READY = b"R"


def address_key(settings: Settings) -> str:
    """Where the settings want to listen. Sockets are handed on between equal ones only."""
    return repr((settings.host, settings.port, settings.uds, settings.fd, settings.admin.listen))


class Predecessor:
    """The new process's side: what it was given, and whom it tells."""

    def __init__(self, ready_fd: int, listening: Listening, key: str) -> None:
        os.set_inheritable(ready_fd, False)
        self._ready_fd = ready_fd
        # The end of this process, not of its workers, is what the old one waits for.
        os.register_at_fork(after_in_child=self._forget)
        self._listening = listening
        self._key = key
        for sock in chain(*listening):
            sock.setblocking(False)
            sock.set_inheritable(False)

    @classmethod
    def from_environment(cls) -> Predecessor | None:
        """None in a process that was started in the usual way. Asked once, then forgotten."""
        given = os.environ.pop(VARIABLE, "")
        if not given:
            return None
        ready, sockets, admin, key = given.split(":", 3)
        return cls(int(ready), (_sockets(sockets), _sockets(admin)), key)

    def sockets(self, settings: Settings) -> Listening:
        """The sockets handed on; none, and these closed, when the settings name other addresses by now."""
        if self._key == address_key(settings):
            return self._listening
        for sock in chain(*self._listening):
            sock.close()
        return [], []

    def ready(self) -> None:
        """Serving: the old process may go."""
        if self._ready_fd >= 0:
            with contextlib.suppress(OSError):  # it has gone already
                os.write(self._ready_fd, _READY)
            self._forget()

    def _forget(self) -> None:
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1


class Successor:
    """The old process's side: a new process on its way. `fileno` is readable once its fate is known."""

    def __init__(self, listening: Listening, settings: Settings) -> None:
        """Starts it. Raises OSError when there is nothing to start."""
        self._outcome, ready = os.pipe()
        fds = [[sock.fileno() for sock in sockets] for sockets in listening]
        handed_on = ":".join(",".join(map(str, part)) for part in fds)
        environment = os.environ | {VARIABLE: f"{ready}:{handed_on}:{address_key(settings)}"}
        environment.pop("WATCHDOG_PID", None)  # the watchdog watches the new process from now on
        try:
            self._process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]], env=environment, pass_fds=[ready, *chain(*fds)]
            )
        except OSError:
            os.close(self._outcome)
            raise
        finally:
            os.close(ready)
        self.pid = self._process.pid

    def fileno(self) -> int:
        return self._outcome

    def serves(self, known: bool) -> bool:
        """Whether it serves; one that does not is ended. Call it once, when its fate is `known`, or to give
        up waiting."""
        served = known and os.read(self._outcome, 1) == _READY
        os.close(self._outcome)
        if served:
            self._process.returncode = 0  # it outlives us; Popen would warn of a child left behind
            return True
        if not known:
            self._process.kill()
        code = self._process.wait()
        logger.error("process %d ended with code %d and did not take over; this one goes on", self.pid, code)
        return False


def _sockets(fds: str) -> list[socket.socket]:
    return [socket.socket(fileno=int(fd)) for fd in fds.split(",") if fd]
