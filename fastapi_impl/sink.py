"""Where a response goes: ASGI messages, with what ProxyProtocol adds to them."""

from __future__ import annotations

from downstream_proxy.message import HeaderPairs
from starlette.types import Send

from .protocol import Cycle


class CutOffError(Exception):
    """The response is broken off: the server has to close the connection without completing it."""


class AsgiSink:
    """A ResponseSink over ASGI's send. cycle: None when another protocol class serves."""

    __slots__ = ("_cycle", "_send", "cut_off")

    def __init__(self, send: Send, cycle: Cycle | None) -> None:
        self._send = send
        self._cycle = cycle
        self.cut_off = False

    async def start(
        self, status: int, reason: bytes | None, headers: HeaderPairs, length: int | None
    ) -> None:
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": headers,
                "reason": reason,
                "length": length,
            }
        )

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def flush_head(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def end(self, trailers: HeaderPairs | None = None) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def abort(self) -> None:
        if self._cycle is not None:
            self._cycle.writer.abort()
        else:
            self.cut_off = True
