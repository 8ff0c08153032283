"""A deadline that is moved far more often than it passes.

Arming a loop timer for each request and cancelling it again costs more than the request's own bookkeeping. A
Deadline keeps one loop timer that looks, when it fires, whether the deadline has moved on since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `expired` once when the time set last has passed; one per connection, not one per request."""

    __slots__ = ("_at", "_expired", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float | None) -> None:
        """Expire `seconds` from now, whatever was set before; None stops."""
        if seconds is None:
            self._at = None
            return
        at = self._at = self._loop.time() + seconds
        handle = self._handle
        if handle is not None:
            if handle.when() <= at:
                return
            handle.cancel()
        self._handle = self._loop.call_at(at, self._look)

    def stop(self) -> None:
        """Do not expire; the loop's timer stays, as it is likely to be wanted again."""
        self._at = None

    def close(self) -> None:
        """Do not expire, and give the loop's timer back."""
        self._at = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        at = self._at
        if at is None:
            return
        if self._loop.time() < at:
            self._handle = self._loop.call_at(at, self._look)
            return
        self._at = None
        self._expired()
