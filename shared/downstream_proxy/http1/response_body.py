"""A response's content on its way from the downstream to the client: relayed as it is received, or held in a
bounded buffer for one reader.

Knows neither end; it is fed by whoever reads the downstream and told how to pause that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..errors import ProxyError
from ..message import HeaderPairs
from .output import Piece
from .splicing import Channel

HIGH_WATER = 2**16
"""Bytes held before the downstream is paused; it goes on when half of that is left."""


class BodySink(Protocol):
    """Who takes content in the moment it is received. http1.ResponseWriter is one."""

    @property
    def paused(self) -> bool:
        """The client is slower than the downstream."""

    def put(self, data: Piece) -> None:
        """Take content; a memoryview is good until the next flush."""

    def flush(self) -> None:
        """Everything that has come so far was put."""

    def splice(self, source: int, channel: Channel, most: int) -> int:
        """Take up to `most` bytes of content that wait in the plain socket `source`, behind all that was
        put and flushed; how many were taken, 0 where that cannot be done."""

    def finish(self) -> None:
        """All content was put."""

    def retract(self) -> bool:
        """Forget what was put; False when some of the response is on its way already."""


def _nothing() -> None:
    """There is nobody to pause any more."""


class ResponseBody:
    """Content that arrives while it is read; `readany` until b"", or a ProxyError when it is cut off.

    What came before the cut is given out first, so that the client gets it. `trailers` are there after the
    end. size: bytes held. relayed: bytes that went to the sink.
    """

    __slots__ = (
        "_chunks",
        "_loop",
        "_pause",
        "_paused",
        "_resume",
        "_sink",
        "_waiter",
        "complete",
        "error",
        "relayed",
        "size",
        "trailers",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pause: Callable[[], None], resume: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._pause = pause
        self._resume = resume
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.error: ProxyError | None = None
        self._paused = False
        self._sink: BodySink | None = None
        self.size = 0
        self.relayed = 0
        self.complete = False
        self.trailers: HeaderPairs = []

    # --- the feeding side

    def feed(self, data: Piece) -> None:
        sink = self._sink
        if sink is not None:
            self.relayed += len(data)
            sink.put(data)
            return
        self._chunks.append(bytes(data))
        self.size += len(data)
        if self.size > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def flush(self) -> None:
        """The feeder has given all that it has for now; what it gave may be overwritten."""
        sink = self._sink
        if sink is None or (self.error is not None and sink.retract()):
            # Broken in the bytes that came with the head: an error is still ours to send.
            return
        sink.flush()
        if sink.paused and not self._paused and not self.complete:
            self._paused = True
            self._pause()

    def splice(self, source: int, channel: Channel, most: int) -> int:
        """Relay up to `most` bytes that wait in the plain socket `source`; how many. Only for what was
        flushed."""
        sink = self._sink
        if sink is None or self._paused or self.error is not None:
            return 0
        size = sink.splice(source, channel, most)
        self.relayed += size
        return size

    def finish(self, trailers: HeaderPairs | None = None) -> None:
        self.complete = True
        if trailers:
            self.trailers = trailers
        if self._sink is not None:
            self._sink.finish()
        self._wake()

    def fail(self, error: ProxyError) -> None:
        if not self.complete and self.error is None:
            self.error = error
            self._wake()

    def detach(self) -> None:
        """The feeder has no more to do with it: nobody is left to pause."""
        self._pause = self._resume = _nothing

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # --- the reading side

    def relay_to(self, sink: BodySink) -> None:
        """Give all content to `sink` as it comes, from the first byte on; then `relayed_all` waits for its
        end."""
        self._sink = sink

    def writable(self) -> None:
        """The sink has room again."""
        if self._paused:
            self._paused = False
            self._resume()

    async def relayed_all(self) -> None:
        """Wait until the sink has everything. Raises ProxyError when there will be no end."""
        while not self.complete:
            if self.error is not None:
                raise self.error
            self._waiter = self._loop.create_future()
            await self._waiter

    def at_eof(self) -> bool:
        return self.complete and not self._chunks

    def is_eof(self) -> bool:
        return self.complete

    def read_nowait(self, n: int = -1) -> bytes:
        """All that has arrived by now, possibly b"". `n` is there for the shape of a stream and must be
        -1."""
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.size = 0
        self.writable()
        return data

    async def readany(self) -> bytes:
        """The next bytes, or b"" at the end. Raises ProxyError when there will be no end."""
        while not self._chunks:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            self._waiter = self._loop.create_future()
            await self._waiter
        return self.read_nowait()
