"""What systemd and a service speak of: inherited sockets, readiness, reloads, the watchdog.

What it is for: sd_listen_fds(3) and sd_notify(3), each a few lines over environment variables and a datagram
socket. Their man pages say that a program may do so by itself; the Python packages for it are either bindings
that need a compiler and libsystemd's headers, or abandoned wrappers of these same lines.
What it must not know: what is served.
"""

from __future__ import annotations

import os
import socket
import time

_FIRST_FD = 3


class Notifier:
    """Tells the service manager; silent when there is none. Never raises: a lost word ends no service.

    watchdog: seconds after which the manager takes silence for death; None when it does not watch.
    """

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the null byte of an abstract address.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog = _watchdog()

    @property
    def heard(self) -> bool:
        return bool(self._address)

    def ready(self, status: str) -> None:
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # Type=notify-reload needs to see that this is the answer to its own signal, hence the time.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def stopping(self, within: float) -> None:
        """The end has begun and may take `within` seconds."""
        self.send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within * 1e6)}", "STATUS=draining")

    def succeeded_by(self, pid: int) -> None:
        """The service goes on as another process, which serves already."""
        self.send(f"MAINPID={pid}", "READY=1", "STATUS=serving")

    def alive(self) -> None:
        self.send("WATCHDOG=1")

    def send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.connect(self._address)
                sock.sendall("\n".join(lines).encode())
        except OSError:
            return


def _watchdog() -> float | None:
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None


def listen_fds() -> list[int]:
    """Descriptors of sockets that the manager opened for this process; asked once, then forgotten.

    Empty when there are none, or when they were meant for another process, such as a wrapper around this one.
    """
    named = {name: os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if named["LISTEN_PID"] != str(os.getpid()) or not named["LISTEN_FDS"].isdecimal():
        return []
    return list(range(_FIRST_FD, _FIRST_FD + int(named["LISTEN_FDS"])))


def only_watches_the_first_process() -> bool:
    """True when systemd started this process and will take its end for the end of the service."""
    return os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid()) and not os.environ.get("NOTIFY_SOCKET")
