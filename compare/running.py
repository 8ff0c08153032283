"""One subject in front of a scripted origin, for the probes and the faults. Must not know what is asked."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.origin import Connection, Origin
from tests.recorded import Request

from .process import LOOPBACK, Launch, Running, free_port, started, wait_ready
from .subjects import Backend, Start, Subject

__all__ = ["CLOSE", "Connection", "Origin", "Request", "Scene", "scene"]


@dataclass(frozen=True, slots=True)
class Scene:
    """A running subject and the origin behind it."""

    origin: Origin
    port: int
    process: Running

    def connect(self, timeout: float = 10.0, receive_buffer: int = 0) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(timeout)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect((LOOPBACK, self.port))
        return sock

    def ask(self, path: str, timeout: float = 10.0) -> str:
        """What a user sees of one GET: the status, or how it ended, and in what time is the caller's
        matter.
        """
        try:
            with self.connect(timeout) as sock:
                sock.sendall(request(path, CLOSE))
                return _seen(sock)
        except TimeoutError:
            return "no end"
        except OSError as error:
            return type(error).__name__


CLOSE = b"Connection: close\r\n"


def request(path: str, fields: bytes = b"") -> bytes:
    """A GET; `fields` are whole lines."""
    return b"GET %b HTTP/1.1\r\nHost: proxy\r\n%b\r\n" % (path.encode(), fields)


def _seen(sock: socket.socket) -> str:
    data = b""
    broken = False
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionError:
            broken = True
            piece = b""
        if not piece:
            break
        data += piece
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return "connection closed without an answer"
    status = head.split(b" ", 2)[1].decode()
    return f"{status} cut off" if broken or not _whole(head.lower(), body) else status


def _whole(head: bytes, body: bytes) -> bool:
    if b"\r\ntransfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) == int(value)
    return True  # ends with its connection: nobody can tell


@contextmanager
def scene(
    subject: Subject, backend: Backend = "fastapi", *, pool: int = 1024, settings: str = "", host: str = ""
) -> Iterator[Scene]:
    """Start both; everything ends with the block. `host` names the origin as the subject is to. Raises
    StartError.
    """
    folder = Path(tempfile.mkdtemp(prefix="downstream-proxy-"))
    origin = Origin()
    try:
        start = Start(
            port=free_port(),
            downstream=f"http://{host or LOOPBACK}:{origin.address[1]}",
            folder=folder,
            backend=backend,
            pool=pool,
            settings=settings,
        )
        launch: Launch = subject.command(start)
        with started(launch, cores=None, folder=folder, name="subject") as process:
            wait_ready(process, start.port, "/ready", timeout=20)
            yield Scene(origin, start.port, process)
    finally:
        origin.stop()
        with suppress(OSError):
            shutil.rmtree(folder)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look now and again until `condition()` holds or the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
