"""A client connection on the event loop, for thousands at once. It must not know what is under test."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from typing import Self

from ..parse import Pairs, parse_head, values
from .content import Content

RESET = struct.pack("ii", 1, 0)


class CutError(Exception):
    """The connection ended before the response did: a visible error once the head was out.

    `answer` is what came, or None when not even a head did.
    """

    def __init__(self, answer: Answer | None) -> None:
        super().__init__("cut" if answer is None else f"cut after {answer.content.size} bytes")
        self.answer = answer


@dataclass
class Answer:
    """One response. Times are time.monotonic() seconds."""

    status: int
    headers: Pairs
    content: Content
    head_at: float

    @property
    def body(self) -> bytes:
        return bytes(self.content.data)

    def one(self, name: bytes) -> bytes:
        return b"".join(values(self.headers, name)[:1])


class Caller(asyncio.Protocol):
    """One connection, one request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.closed = False
        self.left_at = 0.0
        self.keep = True
        self.rest = b""
        self.ended = asyncio.Event()
        self._method = b"GET"
        self._answer: Answer | None = None
        self._head = asyncio.Event()
        self._end = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(cls, address: tuple[str, int], receive_buffer: int = 0) -> Self:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        _, caller = await loop.create_connection(cls, sock=sock)
        return caller

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            data = self.rest + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.rest = data
                return
            line, headers = parse_head(data[: end + 4])
            data = data[end + 4 :]
            status = int(line.split(b" ")[1])
            bodyless = self._method == b"HEAD" or status < 200 or status in (204, 304)
            answer = self._answer = Answer(
                status, headers, Content(headers, bodyless=bodyless), time.monotonic()
            )
            answer.content.keep = self.keep
            self._head.set()
        self.rest = answer.content.feed(data) if data else b""
        if answer.content.done:
            self._end.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.closed = True
        answer = self._answer
        if answer is not None and answer.content.until_close and exc is None:
            answer.content.done = True
        self._head.set()
        self._end.set()
        self._writable.set()
        self.ended.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- the caller's side

    def send(self, data: bytes) -> None:
        """Begins a request; `data` is its head and perhaps more."""
        self._method = data.partition(b" ")[0]
        self._answer = None
        self._head.clear()
        self._end.clear()
        if self.closed:
            self.connection_lost(None)
        else:
            self.transport.write(data)

    async def write(self, data: bytes) -> None:
        """More of the request; waits while the other side does not read. CutError when it closed."""
        if self.closed or self.transport.is_closing():
            raise CutError(self._answer)
        self.transport.write(data)
        if self._writable.is_set():
            await asyncio.sleep(0)
        else:
            await self._writable.wait()

    async def head(self) -> Answer:
        await self._head.wait()
        if self._answer is None:
            raise CutError(None)
        return self._answer

    async def answer(self) -> Answer:
        """The whole response; CutError when it is cut."""
        await self._end.wait()
        if self._answer is None or not self._answer.content.done:
            raise CutError(self._answer)
        return self._answer

    async def ask(self, data: bytes) -> Answer:
        self.send(data)
        return await self.answer()

    def leave(self, reset: bool = False) -> None:
        """Closes now, and notes when."""
        self.left_at = time.monotonic()
        # The proxy may have closed it in this moment: then there is no socket any more, and nobody to reset.
        if reset and (sock := self.transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


def get(target: str, *fields: str, method: str = "GET") -> bytes:
    """A request head."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: proxy", *fields, "", "")).encode()


def post(target: str, body: bytes) -> bytes:
    return get(target, f"Content-Length: {len(body)}", method="POST") + body


async def once(address: tuple[str, int], data: bytes) -> Answer:
    """One request on a connection of its own."""
    caller = await Caller.open(address)
    try:
        return await caller.ask(data)
    finally:
        caller.leave()
