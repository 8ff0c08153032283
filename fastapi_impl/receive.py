"""A request body read through ASGI's receive, and the client's leaving told by it: for servers other than
ours."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from downstream_proxy.errors import ErrorKind, ProxyError
from starlette.types import Receive, Scope


class ReceivedBody:
    """A Body over ASGI's receive."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False
        self.all_read = asyncio.Event()

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> ReceivedBody | None:
        """The body of a request, None when its head announces none."""
        names = {name for name, value in scope["headers"] if value != b"0"}
        return cls(receive) if names & {b"content-length", b"transfer-encoding"} else None

    async def readany(self) -> bytes:
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ProxyError(ErrorKind.CLIENT_GONE)
            if not message.get("more_body", False):
                self._ended = True
                self.all_read.set()
            if data := message.get("body", b""):
                return bytes(data)
        return b""

    def read_nowait(self, n: int = -1) -> bytes:
        return b""

    def at_eof(self) -> bool:
        return self._ended

    def is_eof(self) -> bool:
        return self._ended


async def until_gone(work: Coroutine[Any, Any, None], body: ReceivedBody | None, receive: Receive) -> None:
    """Do the work, but cancel it when the client leaves. Waits for the body first: receive has one reader at
    a time."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(body, receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if not watch.done() or watch.cancelled():
            raise


async def _gone(body: ReceivedBody | None, receive: Receive) -> None:
    if body is not None:
        await body.all_read.wait()
    while (await receive())["type"] != "http.disconnect":
        continue
