"""The client connections that are open, so that a server going down can tell each of them and wait for the
last."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .peers import Unread


class Drainable(Protocol):
    def drain(self, idle: float) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """A set that can be drained.

    unread: those of them, and of tunnels' other ends, that are not read at present. ending: None until its
    end has begun, then the seconds that a connection may wait for a last request; one that is accepted later
    looks at it.
    """

    def __init__(self) -> None:
        self.unread = Unread()
        self.ending: float | None = None
        self._open: set[Drainable] = set()
        self._empty: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Drainable) -> None:
        self._open.add(connection)

    def discard(self, connection: Drainable) -> None:
        self._open.discard(connection)
        if self._empty is not None and not self._open:
            self._empty.set()

    def end(self, idle: float) -> None:
        """End each connection with its present response, or with one more when it waits for a request and
        that comes within `idle` seconds."""
        self.ending = idle
        for connection in list(self._open):
            connection.drain(idle)

    async def ended(self, seconds: float) -> bool:
        """Wait for the last one; True when it went within `seconds`."""
        self._empty = asyncio.Event()
        if not self._open:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """End what is left, whatever it is doing."""
        for connection in list(self._open):
            connection.abort()
