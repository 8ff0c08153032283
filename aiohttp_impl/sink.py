"""Where a response goes: the engine's ResponseWriter puts it on the wire, and aiohttp is told that it is
done."""

from __future__ import annotations

from aiohttp import web


class WrittenResponse(web.StreamResponse):
    """Tells aiohttp of a response that a ResponseWriter has put on the wire, so that it adds nothing."""

    def __init__(self, status: int, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._eof_sent = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """The head is written."""

    async def write_eof(self, data: bytes = b"") -> None:
        """The content is written."""
