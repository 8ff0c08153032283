"""Starts a program under the guard, pinned to cores, waits until it answers, and stops it.

Must not know which program it is. Everything started here ends with the `with` block or,
if this process dies, by the guard (see guard.py).
"""

from __future__ import annotations

import http.client
import itertools
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import guard

LOOPBACK = "127.0.0.1"
#: Listening ports are taken below the range from which the kernel takes source ports.
PORTS = range(20_000, 32_000)


class StartError(Exception):
    """A program did not start or did not answer in time; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a program: its arguments and what to add to the environment."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A started program. `pid` is its own, not the guard's."""

    pid: int
    log: Path

    def alive(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"

    def last_words(self, lines: int = 2) -> str:
        """The end of the log; without the lines in which a traceback only points with carets."""
        text = self.log.read_text(errors="replace").splitlines()
        return " | ".join([line.strip() for line in text if line.strip(" ~^")][-lines:])


_next_port = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now; never the same twice in a row."""
    for _ in PORTS:
        port = PORTS[next(_next_port) % len(PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise StartError("no free port")


@contextmanager
def started(launch: Launch, *, cores: Collection[int] | None, folder: Path, name: str) -> Iterator[Running]:
    """Run a program until the block ends. Its output goes to `folder`/`name`.log."""
    log = folder / f"{name}.log"
    pinned = ",".join(map(str, sorted(cores))) if cores else "all"
    command = [sys.executable, "-I", "-S", str(Path(guard.__file__).resolve()), pinned, "--", *launch.argv]
    with log.open("wb") as output:
        watcher = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=folder,
            env={**os.environ, **launch.env},
            # Ctrl-C at the terminal must reach the runner only, which then ends the rest in order.
            start_new_session=True,
        )
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    try:
        line = watcher.stdout.readline()
        if not line:
            raise StartError(f"{name}: the guard did not start: {log.read_text(errors='replace')[-300:]}")
        yield Running(int(line), log)
    finally:
        watcher.stdin.close()
        watcher.stdout.close()
        try:
            watcher.wait(guard.GRACE + 5)
        except subprocess.TimeoutExpired:
            watcher.kill()
            watcher.wait()


def wait_listening(running: Running, port: int, *, timeout: float = 30.0) -> None:
    """Until 127.0.0.1 takes connections at `port`. Raises StartError when the program ends or time is up."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not running.alive():
            raise StartError(f"ended at start: {running.last_words()}")
        try:
            socket.create_connection((LOOPBACK, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise StartError(f"does not listen after {timeout:.0f} s: {running.last_words()}")


def wait_ready(running: Running, port: int, path: str, *, tls: bool = False, timeout: float = 30.0) -> int:
    """Ask for `path` until it answers 200; returns the size of the body in bytes.

    Raises StartError when the program ends or the time is up.
    """
    deadline = time.monotonic() + timeout
    reason = "no answer"
    while time.monotonic() < deadline:
        if not running.alive():
            raise StartError(f"ended at start: {running.last_words()}")
        try:
            status, size = get(port, path, tls=tls)
        except OSError as error:
            reason = str(error)
        except http.client.HTTPException as error:
            reason = repr(error)
        else:
            if status == 200:
                return size
            reason = f"status {status}"
        time.sleep(0.05)
    raise StartError(f"not ready after {timeout:.0f} s ({reason}): {running.last_words()}")


def get(port: int, path: str, *, tls: bool = False) -> tuple[int, int]:
    """One GET on a fresh connection to 127.0.0.1: the status and the size of the body."""
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()
