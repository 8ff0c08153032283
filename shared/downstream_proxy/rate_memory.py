"""Counts of rate limits in memory, behind the storage interface of the library `limits`.

The library's own MemoryStorage has no bound and looks through all of its keys again and again, with a thread
for each, as long as requests come. This one drops what has expired as it goes, a few keys per request. Knows
no rule and no request.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from limits.aio.storage import MovingWindowSupport, Storage

_SWEPT = 2
"""Keys looked at per request; more than one, so that they are dropped faster than they can come."""


class FullError(Exception):
    """As many keys are kept as may be."""


@dataclass(slots=True)
class _Count:
    """until: when it can be forgotten, time.time's seconds. times: of a moving window, oldest first."""

    until: float
    number: int = 0
    times: deque[float] = field(default_factory=deque)


class BoundedMemory(Storage, MovingWindowSupport):
    """At most `most` counts; FullError for one more. clock: seconds since the epoch."""

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._sweep: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def base_exceptions(self) -> type[Exception]:
        return FullError

    def _count(self, key: str, now: float, expiry: int) -> _Count:
        for _ in range(min(_SWEPT, len(self._sweep))):
            oldest = self._sweep.popleft()
            if self._counts[oldest].until <= now:
                del self._counts[oldest]
            else:
                self._sweep.append(oldest)
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._most:
                raise FullError(f"{self._most} counts are kept already")
            count = self._counts[key] = _Count(now + expiry)
            self._sweep.append(key)
        return count

    # --- fixed windows

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self._clock()
        count = self._count(key, now, expiry)
        if count.until <= now:
            count.until, count.number = now + expiry, 0
        count.number += amount
        return count.number

    async def get(self, key: str) -> int:
        count = self._counts.get(key)
        return count.number if count is not None and count.until > self._clock() else 0

    async def get_expiry(self, key: str) -> float:
        count = self._counts.get(key)
        return count.until if count is not None else self._clock()

    # --- moving windows

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self._clock()
        count = self._count(key, now, expiry)
        times = count.times
        _forget(times, now - expiry)
        if len(times) + amount > limit:
            return False
        times.extend([now] * amount)
        count.until = now + expiry
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the window began, with its oldest entry, and how many entries it holds."""
        now = self._clock()
        count = self._counts.get(key)
        if count is None:
            return now, 0
        _forget(count.times, now - expiry)
        return (count.times[0], len(count.times)) if count.times else (now, 0)

    # --- the rest of the interface

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        number = len(self._counts)
        self._counts.clear()
        self._sweep.clear()
        return number

    async def clear(self, key: str) -> None:
        if self._counts.pop(key, None) is not None:
            self._sweep.remove(key)


def _forget(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()
