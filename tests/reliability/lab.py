"""An origin on the caller's event loop that counts instead of recording, so that it can run for an hour.

What it does is picked by the path: `lab.on("/x", behaviour)`, with `async def behaviour(visit)`. It must not
know what is under test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Self
from urllib.parse import parse_qs

from ..parse import parse_head
from .caller import RESET
from .content import Content

Behaviour = Callable[["Visit"], Awaitable[None]]


class GoneError(Exception):
    """The other side closed; ends a behaviour quietly."""


class Visit:
    """One request. `n` is the number in its query, by which a test knows it again."""

    def __init__(self, conn: LabConnection, head: bytes) -> None:
        line, headers = parse_head(head)
        self.method, self.target, _ = line.split(b" ")
        path, _, query = self.target.partition(b"?")
        self.path = path.decode()
        self.query = {name: values[0] for name, values in parse_qs(query.decode()).items()}
        self.n = int(self.query.get("n", -1))
        self.at = time.monotonic()
        self.conn = conn
        self.headers = headers
        self.content = Content(headers, request=True)
        self.content.keep = False
        self.read = asyncio.Event()

    def write(self, data: bytes) -> None:
        if self.conn.gone.is_set() or self.conn.transport.is_closing():
            raise GoneError
        self.conn.transport.write(data)

    async def send(self, data: bytes) -> None:
        """Writes and waits until the other side reads."""
        self.write(data)
        if self.conn.writable.is_set():
            await asyncio.sleep(0)
        else:
            await self.conn.writable.wait()

    async def body(self) -> None:
        """Waits for the request's end; GoneError when it does not come."""
        await self.read.wait()
        if not self.content.done:
            raise GoneError

    async def quiet(self, seconds: float) -> None:
        """Waits as long; GoneError as soon as the other side closes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.conn.gone.wait(), seconds)
            raise GoneError


class LabConnection(asyncio.Protocol):
    """One accepted connection."""

    transport: asyncio.Transport

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.visits = 0
        self.gone = asyncio.Event()
        self.gone_at = 0.0
        self.writable = asyncio.Event()
        self.writable.set()
        self._buffer = b""
        self._visit: Visit | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.lab.connections.add(self)
        self.lab.accepted += 1

    def data_received(self, data: bytes) -> None:
        visit = self._visit
        if visit is None:
            self._buffer += data
            self._next()
            return
        self._buffer += visit.content.feed(data)
        if visit.content.done:
            visit.read.set()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._visit is not None:
            return
        visit = self._visit = Visit(self, self._buffer[: end + 4])
        self._buffer = visit.content.feed(self._buffer[end + 4 :])
        if visit.content.done:
            visit.read.set()
        self.visits += 1
        self.lab.visited(visit)
        self._task = asyncio.get_running_loop().create_task(self._behave(visit))

    async def _behave(self, visit: Visit) -> None:
        try:
            await self.lab.find(visit.path)(visit)
            if not self.transport.is_closing():
                await visit.body()
        except GoneError:
            self.transport.close()
            return
        self._visit = None
        self._next()

    def eof_received(self) -> None:
        self._ended()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended()
        self.lab.connections.discard(self)

    def _ended(self) -> None:
        if not self.gone.is_set():
            self.gone_at = time.monotonic()
            self.gone.set()
        if self._visit is not None:
            self._visit.read.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        if not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


async def ok(visit: Visit) -> None:
    """200 with two bytes."""
    await visit.body()
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def stall(visit: Visit) -> None:
    """Takes what comes and never answers."""
    await visit.conn.gone.wait()


class Lab:
    """The server."""

    def __init__(self) -> None:
        self.connections: set[LabConnection] = set()
        self.accepted = 0
        self.visits: Counter[str] = Counter()
        self.by_number: dict[int, Visit] | None = None  # when a test wants to find single visits
        self.address = ("127.0.0.1", 0)
        self._behaviours: dict[str, Behaviour] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> Self:
        """Listens; after `flap` again on the same port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: LabConnection(self), *self.address, backlog=4096, reuse_address=True
        )
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    @property
    def authority(self) -> bytes:
        return b"127.0.0.1:%d" % self.address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    def on(self, path: str, behaviour: Behaviour) -> None:
        self._behaviours[path] = behaviour

    def find(self, path: str) -> Behaviour:
        return self._behaviours.get(path, ok)

    def visited(self, visit: Visit) -> None:
        self.visits[visit.path] += 1
        if self.by_number is not None:
            self.by_number[visit.n] = visit

    async def flap(self, seconds: float) -> None:
        """Down for as long, as in a restart: connections are reset, new ones refused."""
        self.stop()
        await asyncio.sleep(seconds)
        await self.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for conn in list(self.connections):
            conn.reset()
