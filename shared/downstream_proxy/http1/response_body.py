"""A response's content on its way from the downstream to the client: a bounded buffer with one reader.

Knows neither end; it is fed by whoever reads the downstream and told how to pause that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..errors import ProxyError
from ..message import HeaderPairs

HIGH_WATER = 2**16
"""Bytes held before the downstream is paused; it goes on when half of that is left."""


class ResponseBody:
    """Content that arrives while it is read; `readany` until b"", or a ProxyError when it is cut off.

    What came before the cut is given out first, so that the client gets it. `trailers` are there after the
    end.
    """

    __slots__ = (
        "_chunks",
        "_error",
        "_loop",
        "_pause",
        "_paused",
        "_resume",
        "_waiter",
        "complete",
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
        self._error: ProxyError | None = None
        self._paused = False
        self.size = 0
        self.complete = False
        self.trailers: HeaderPairs = []

    # --- the feeding side

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self.size += len(data)
        if self.size > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def finish(self, trailers: HeaderPairs | None = None) -> None:
        self.complete = True
        if trailers:
            self.trailers = trailers
        self._wake()

    def fail(self, error: ProxyError) -> None:
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    @property
    def error(self) -> ProxyError | None:
        """Why there will be no end; None while there may be one, or was."""
        return self._error

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # --- the reading side

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
        if self._paused:
            self._paused = False
            self._resume()
        return data

    async def readany(self) -> bytes:
        """The next bytes, or b"" at the end. Raises ProxyError when there will be no end."""
        while not self._chunks:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._error
            self._waiter = self._loop.create_future()
            await self._waiter
        return self.read_nowait()
