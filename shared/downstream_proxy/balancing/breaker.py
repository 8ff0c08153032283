"""A circuit breaker: when most of what a downstream is asked fails, it is not asked for a while.

Closed, open, half-open as everybody knows them. Opens on a share of failures over a window, not on failures
in a row: under load a downstream that fails half of its requests seldom fails many in a row. Pure: told the
time by a clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..settings_balancing import Breaker as BreakerSettings
from .status import BreakerState, BreakerStatus

_BUCKETS = 10


class Window:
    """Successes and failures of the last `seconds`, to a tenth of them."""

    __slots__ = ("_buckets", "_width")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _BUCKETS
        self.clear()

    def clear(self) -> None:
        # number of the tenth, all, failed
        self._buckets: list[list[int]] = [[-1, 0, 0] for _ in range(_BUCKETS)]

    def add(self, now: float, failed: bool) -> None:
        tenth = int(now / self._width)
        bucket = self._buckets[tenth % _BUCKETS]
        if bucket[0] != tenth:
            bucket[:] = [tenth, 0, 0]
        bucket[1] += 1
        bucket[2] += failed

    def counts(self, now: float) -> tuple[int, int]:
        """All, and those that failed."""
        oldest = int(now / self._width) - _BUCKETS + 1
        recent = [bucket for bucket in self._buckets if bucket[0] >= oldest]
        return sum(bucket[1] for bucket in recent), sum(bucket[2] for bucket in recent)


class Breaker:
    """The breaker of one downstream.

    An exchange takes a ticket with `enter` and tells its outcome with it. A ticket of a state that is over
    counts for nothing: what began before it opened must not close it. on_change: told the new state and why.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Callable[[], float],
        on_change: Callable[[BreakerState, str], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._jitter = jitter
        self._window = Window(settings.window)
        self._state: BreakerState = "closed"
        self._ticket = 0
        self._until = 0.0
        self._row = 0
        self._probing = 0
        self._passed = 0
        self.opened = 0

    @property
    def closed(self) -> bool:
        return self._state == "closed"

    def refuses(self) -> bool:
        """Whether `enter` would give no ticket now."""
        if self._state == "open":
            return self._clock() < self._until
        return self._state == "half-open" and self._probing + self._passed >= self._settings.probes

    def enter(self) -> int | None:
        """A ticket for one exchange; None when it is refused."""
        if self._state == "closed":
            return self._ticket
        if self.refuses():
            return None
        if self._state == "open":
            self._become("half-open", "trying whether it answers")
            self._probing = self._passed = 0
        self._probing += 1
        return self._ticket

    def is_probe(self, ticket: int) -> bool:
        return self._state == "half-open" and ticket == self._ticket

    def succeeded(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        if self._state == "closed":
            self._window.add(self._clock(), False)
            return
        self._probing -= 1
        self._passed += 1
        if self._passed >= self._settings.probes:
            self._row = 0
            self._window.clear()
            self._become("closed", "it answers again")

    def failed(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        if self._state == "half-open":
            self._open("it still fails")
            return
        now = self._clock()
        self._window.add(now, True)
        total, failed = self._window.counts(now)
        if total >= self._settings.min_requests and failed >= total * self._settings.failures:
            self._open(f"{failed} of {total} requests failed")

    def dropped(self, ticket: int) -> None:
        """The exchange ended without telling anything of the downstream."""
        if ticket == self._ticket and self._state == "half-open":
            self._probing -= 1

    def trip(self, why: str) -> None:
        """Open now, whatever the window says."""
        if self._state == "closed":
            self._open(why)

    def try_now(self) -> None:
        """There is reason to believe that it works again: the next request is let through."""
        if self._state == "open":
            self._until = self._clock()

    def status(self) -> BreakerStatus:
        seconds = max(0.0, self._until - self._clock()) if self._state == "open" else None
        return BreakerStatus(self._state, self.opened, seconds)

    def _open(self, why: str) -> None:
        length = min(self._settings.longest, self._settings.first * 2.0 ** min(self._row, 32))
        length *= 0.75 + self._jitter() / 2
        self._row += 1
        self._until = self._clock() + length
        self.opened += 1
        self._become("open", f"{why}; trying again in {length:.1f} s")

    def _become(self, state: BreakerState, why: str) -> None:
        self._state = state
        self._ticket += 1
        self._on_change(state, why)
