"""A request as ASGI tells it: for servers other than ours. The body comes through receive, and so does the
news that the client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.message import Body, IncomingRequest
from starlette.types import Receive, Scope


def received_request(scope: Scope, receive: Receive) -> IncomingRequest:
    """The request in the engine's terms, from ASGI's view of it."""
    query = scope.get("query_string", b"")
    headers = list(scope["headers"])
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    named = dict(reversed(headers))
    length = int(named[b"content-length"]) if b"content-length" in named else None
    client = scope.get("client")
    return IncomingRequest(
        method=scope["method"].encode("ascii"),
        target=target + b"?" + query if query else target,
        headers=headers,
        host=named.get(b"host", b""),
        minor=0 if scope["http_version"] == "1.0" else 1,
        body=ReceivedBody(receive) if length or b"transfer-encoding" in named else None,
        content_length=length,
        peer=client[0] if client else "",
        scheme=scope["scheme"].encode("ascii"),
    )


class ReceivedBody:
    """A Body over ASGI's receive."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False
        self.total_bytes = 0
        self.all_read = asyncio.Event()

    async def readany(self) -> bytes:
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ProxyError(ErrorKind.CLIENT_GONE)
            if not message.get("more_body", False):
                self._ended = True
                self.all_read.set()
            if data := message.get("body", b""):
                self.total_bytes += len(data)
                return bytes(data)
        return b""

    def read_nowait(self, n: int = -1) -> bytes:
        return b""

    def at_eof(self) -> bool:
        return self._ended

    def is_eof(self) -> bool:
        return self._ended


async def until_gone(work: Coroutine[Any, Any, None], body: Body | None, receive: Receive) -> None:
    """Do the work, but cancel it when the client leaves. Waits for the body first: receive has one reader at
    a time."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(body if isinstance(body, ReceivedBody) else None, receive))
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
