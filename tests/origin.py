"""A scripted server that plays the downstream: it records every byte it sees and can misbehave in every way.

It runs on its own event loop in a thread, so that tests stay plain functions. What it does is picked by the
request's target: `origin.script("/x", handler)`, with `async def handler(conn, request)`. Without a script
it echoes. It must not know proxies, settings or rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .gate import Gate
from .parse import MalformedError
from .recorded import GoneError, Request

Handler = Callable[["Connection", "Request"], Awaitable[None]]
T = TypeVar("T")


class Connection(asyncio.Protocol):
    """One accepted connection."""

    transport: asyncio.Transport

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.number = 0
        self.received = bytearray()
        self.requests: list[Request] = []
        self.closed_at: float | None = None  # time.monotonic() when the other side ended or aborted
        self.was_reset = False
        self._buffer = bytearray()
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended_event = asyncio.Event()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.origin.connections.append(self)
        self.number = len(self.origin.connections)
        task = asyncio.get_running_loop().create_task(self._serve())
        self.origin.tasks.add(task)
        task.add_done_callback(self.origin.tasks.discard)
        self.origin.notify()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._buffer += data
        self._wake.set()
        self.origin.notify()

    def eof_received(self) -> bool:
        self._ended()
        return self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_reset = exc is not None
        self._ended()

    def _ended(self) -> None:
        if self.closed_at is None:
            self.closed_at = time.monotonic()
        self._ended_event.set()
        self._wake.set()
        self._writable.set()
        self.origin.notify()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- for scripts

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while not self._buffer:
            if self.closed_at is not None:
                return b""
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def unread(self, data: bytes) -> None:
        self._buffer[:0] = data

    async def read_until(self, marker: bytes) -> bytes:
        """Up to and including `marker`; `GoneError` when the end comes first."""
        while (end := self._buffer.find(marker)) < 0:
            if self.closed_at is not None:
                raise GoneError
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._buffer[: end + len(marker)])
        del self._buffer[: len(data)]
        return data

    async def read_exactly(self, n: int) -> bytes:
        while len(self._buffer) < n:
            if self.closed_at is not None:
                raise GoneError
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        return data

    async def send(self, data: bytes) -> None:
        """Writes and waits until the transport's buffer is low again; `GoneError` when nobody is there."""
        if self.transport.is_closing():
            raise GoneError
        self.transport.write(data)
        await self._writable.wait()
        self.origin.notify()

    async def quiet(self, seconds: float) -> None:
        """Waits as long, for scripts that drip; `GoneError` as soon as the other side closes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended_event.wait(), seconds)
            raise GoneError

    def stop_reading(self) -> None:
        """Leaves what comes to a small receive buffer of the kernel, until `resume_reading`."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    async def gone(self) -> None:
        """Waits until the other side closes."""
        while await self.read():
            pass

    def close(self) -> None:
        self.transport.close()

    def half_close(self) -> None:
        self.transport.write_eof()

    def reset(self) -> None:
        """Closes with RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    # -- the loop

    async def _head(self) -> bytes:
        try:
            return await self.read_until(b"\r\n\r\n")
        except GoneError:
            if self._buffer:
                self.origin.cut.append(self)
            raise

    async def _serve(self) -> None:
        try:
            while True:
                request = Request(self, await self._head())
                self.requests.append(request)
                self.origin.requests.append(request)
                self.origin.notify()
                await self.origin.find(request.target)(self, request)
                if self.transport.is_closing():
                    return
                await request.read()
        except GoneError:
            pass
        except (MalformedError, AssertionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.origin.errors.append(error)
        finally:
            self.transport.close()
            self.origin.notify()


async def echo(conn: Connection, request: Request) -> None:
    """Answers 200 with the exact bytes of the request as its body."""
    await request.read()
    raw = bytes(request.raw)
    body = b"" if request.method == b"HEAD" else raw
    await conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: %d\r\n\r\n%b" % (len(raw), body)
    )


class Origin:
    """The server. Records since the last `reset()` are in `requests`, `connections`, `errors`, `cut`.

    For a server that is not ours: `any_case` takes names of transfer codings in any case, `patience` is how
    many seconds a test waits.
    """

    any_case, patience = False, 8.0

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []  # requests that are not strict HTTP/1.1, failed scripts
        self.cut: list[Connection] = []  # connections that ended inside a head
        self.tasks: set[asyncio.Task[None]] = set()
        self._scripts: dict[bytes, Handler] = {}
        self._changed = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="origin", daemon=True)
        self._thread.start()
        self._server = self.run(self._listen(host, port, tls))
        self.address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self), host, port, ssl=tls, backlog=1024
        )

    @property
    def authority(self) -> bytes:
        return b"%s:%d" % (self.address[0].encode(), self.address[1])

    def run(self, work: Awaitable[T]) -> T:
        """Runs a coroutine on the origin's loop."""

        async def call() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    # -- scripts

    def script(self, target: str | bytes, handler: Handler) -> None:
        """What to do for this target (or for this path with any query)."""
        self._scripts[target.encode() if isinstance(target, str) else target] = handler

    def find(self, target: bytes) -> Handler:
        path = target.partition(b"?")[0]
        return self._scripts.get(target) or self._scripts.get(path) or echo

    def gate(self) -> Gate:
        return Gate(self.loop)

    def reset(self) -> None:
        """Forgets scripts and records; open connections stay."""

        async def forget() -> None:
            self._scripts.clear()
            self.requests.clear()
            self.errors.clear()
            self.cut.clear()
            self.connections[:] = [c for c in self.connections if c.closed_at is None]

        self.run(forget())

    def drop_connections(self) -> None:
        """Closes every open connection, as a restart would."""

        async def drop() -> None:
            for conn in self.connections:
                conn.close()

        self.run(drop())

    # -- events

    def notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], T | None], what: str, timeout: float | None = None) -> T:
        """Waits until `condition()` is true, and returns it; TimeoutError says `what` did not come."""
        deadline = time.monotonic() + (self.patience if timeout is None else timeout)
        with self._changed:
            while not (result := condition()):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(
                        f"the origin never saw {what}; it saw {[r.lines[0] for r in self.requests]}"
                    )
            return result

    def settled(self, value: Callable[[], int], quiet: float = 0.3, timeout: float = 8.0) -> int:
        """Waits until `value()` has not changed for `quiet` seconds, and returns it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            last, since = value(), time.monotonic()
            while (now := time.monotonic()) < deadline:
                if value() != last:
                    last, since = value(), now
                if now - since >= quiet:
                    return last
                self._changed.wait(since + quiet - now)
        raise TimeoutError(f"still moving, at {last}")

    def seen(self, target: str | bytes) -> list[Request]:
        """Requests recorded for this target, with any query."""
        wanted = target.encode() if isinstance(target, str) else target
        return [r for r in list(self.requests) if wanted in (r.target, r.target.partition(b"?")[0])]

    def wait_head(self, target: str | bytes, count: int = 1) -> Request:
        """The `count`-th request for the target, as soon as its head is there."""
        return self.wait_for(
            lambda: next(iter(self.seen(target)[count - 1 :]), None), f"a head for {target!r}"
        )

    def wait_request(self, target: str | bytes, count: int = 1) -> Request:
        """The same, with its whole body."""
        request = self.wait_head(target, count)
        self.wait_for(lambda: request.complete, f"the end of {target!r}")
        return request

    def wait_body(self, target: str | bytes, n: int) -> Request:
        """The request as soon as `n` bytes of its body are there."""
        request = self.wait_head(target)
        self.wait_for(lambda: len(request.framing.data) >= n, f"{n} bytes of body for {target!r}")
        return request

    def wait_closed(self, conn: Connection, timeout: float | None = None) -> float:
        """When the other side closed `conn`, in time.monotonic() seconds."""
        self.wait_for(lambda: conn.closed_at, "the connection's end", timeout)
        assert conn.closed_at is not None
        return conn.closed_at

    def stop(self) -> None:
        async def end() -> None:
            self._server.close()
            for conn in self.connections:
                conn.transport.abort()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
