"""Answers the proxy gives by itself: whole ones, and streams that end when there is nobody to read them.

Knows no endpoint and no framework: it writes an answer into any sink.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from .message import HeaderPairs, ResponseSink

Content: TypeAlias = "bytes | AsyncGenerator[bytes, None]"
Answer: TypeAlias = "tuple[int, HeaderPairs, Content]"

PATIENCE = 10.0
"""Seconds in which a reader of a stream has to take one piece; a slower one is cut off."""

TEXT = "text/plain; charset=utf-8"


def whole(status: int, content: bytes, content_type: str = TEXT, *more: tuple[bytes, bytes]) -> Answer:
    """An answer that no cache may keep and no browser may take for another type."""
    length = (b"Content-Length", b"%d" % len(content))
    return status, [(b"Content-Type", content_type.encode()), length, *_ALWAYS, *more], content


def stream(content: AsyncGenerator[bytes, None], content_type: str, *more: tuple[bytes, bytes]) -> Answer:
    """An answer of unknown length. `content` is closed on every way out."""
    return 200, [(b"Content-Type", content_type.encode()), *_ALWAYS, *more], content


_ALWAYS = ((b"Cache-Control", b"no-store"), (b"X-Content-Type-Options", b"nosniff"))


async def write(answer: Answer, method: bytes, sink: ResponseSink, count: Callable[[int], None]) -> None:
    """Write the answer to a request of this method; `count` is told of the bytes of content.

    The sink's own errors mean that the client has left, and pass through.
    """
    status, headers, content = answer
    if isinstance(content, bytes):
        await sink.start(status, None, headers, len(content))
        if method != b"HEAD":
            count(len(content))
            await sink.write(content)
        await sink.end()
        return
    await sink.start(status, None, headers, None)
    if method != b"HEAD":
        await sink.flush_head()
        async with aclosing(content):
            async for piece in content:
                count(len(piece))
                try:
                    async with asyncio.timeout(PATIENCE):
                        await sink.write(piece)
                except TimeoutError:
                    sink.abort()
                    return
    await sink.end()
