"""Blocking libraries behind the seam: each step of an exchange runs in a thread of the seam's own pool.

The pool has as many threads as the downstream has places, so threads are no other limit than connections are
for the rest. Content is read one piece per call, which is how frameworks run a blocking iterator, so
back-pressure needs nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from downstream_proxy.message import HeaderPairs, OutgoingRequest

from .seam import Answer, Seam, Upload


@dataclass(slots=True)
class Blocking:
    """A blocking library's answer. chunks: each step may block. abort: wakes a thread that reads, from any
    thread; close: releases the connection, or drops it when content is left."""

    status: int
    reason: bytes
    headers: HeaderPairs
    chunks: Iterator[bytes]
    close: Callable[[], None]
    abort: Callable[[], None]


class BlockingUpload:
    """A request's body for a library that reads an iterator, or a file, in a thread."""

    def __init__(self, upload: Upload, loop: asyncio.AbstractEventLoop) -> None:
        self._upload = upload
        self._loop = loop
        self._rest = b""
        self.length = -1 if upload.length is None else upload.length
        if upload.length:
            # requests looks for this name; without it a body is sent in chunks.
            self.len = upload.length

    def __iter__(self) -> Iterator[bytes]:
        while data := self._take():
            yield data

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; b"" at the end."""
        data = self._rest or self._take()
        self._rest = data[size:] if 0 <= size < len(data) else b""
        return data[:size] if self._rest else data

    def _take(self) -> bytes:
        return asyncio.run_coroutine_threadsafe(self._upload.read(), self._loop).result()


class ThreadedSeam(Seam):
    """A blocking library: `call` runs in a thread."""

    async def open(self) -> None:
        self._threads = ThreadPoolExecutor(self.places, thread_name_prefix=self.name)
        self.start()

    async def close(self) -> None:
        self.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def start(self) -> None:
        """Make the library's client."""

    def stop(self) -> None:
        """Close the library's client."""

    def call(self, request: OutgoingRequest, body: BlockingUpload | None) -> Blocking:
        """Send the request and wait for the answer's head. Raises what the library raises."""
        raise NotImplementedError

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        loop = asyncio.get_running_loop()
        body = BlockingUpload(upload, loop) if upload is not None else None
        work = loop.run_in_executor(self._threads, self.call, request, body)
        try:
            blocking = await asyncio.shield(work)
        except asyncio.CancelledError:
            # No blocking library can be told from outside to stop waiting for a head.
            work.add_done_callback(_drop_late)
            raise
        return _Reading(loop, self._threads, blocking).answer()


class _Reading:
    """Reads a blocking answer, a piece per call into the pool."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor, blocking: Blocking
    ) -> None:
        self._loop = loop
        self._threads = threads
        self._blocking = blocking
        self._read: asyncio.Future[Any] | None = None
        self._ended = False

    def answer(self) -> Answer:
        found = self._blocking
        return Answer(found.status, found.reason, found.headers, self._chunks(), self._close)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            self._read = self._loop.run_in_executor(self._threads, next, self._blocking.chunks, None)
            chunk = await asyncio.shield(self._read)
            self._read = None
            if chunk is None:
                self._ended = True
                return
            yield chunk

    async def _close(self) -> None:
        if not self._ended:
            self._blocking.abort()
            if self._read is not None:
                with contextlib.suppress(Exception):
                    await self._read
        await self._loop.run_in_executor(self._threads, self._blocking.close)


def _drop_late(work: asyncio.Future[Blocking]) -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().abort()
        work.result().close()
