"""A bounded number of places and a bounded queue in front of them.

Knows nothing of HTTP: somebody holds a place, somebody waits for one with a deadline, and all others are
refused at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from .errors import ErrorKind, ProxyError


class Admission:
    """Places for `places` holders, and a first-come queue for `queue` more, each waiting at most `patience`
    seconds."""

    def __init__(self, places: int, queue: int, patience: float) -> None:
        self.places = places
        self._queue = queue
        self._patience = patience
        self._waiters: OrderedDict[asyncio.Future[None], float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self.in_use = 0

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def try_enter(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self.in_use < self.places and not self._waiters:
            self.in_use += 1
            return True
        return False

    async def enter(self) -> None:
        """Take a place, waiting in the queue if need be. Raises ProxyError: queue-full at once, or
        queue-timeout."""
        if self.try_enter():
            return
        if len(self._waiters) >= self._queue:
            raise ProxyError(ErrorKind.QUEUE_FULL)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters[waiter] = until = loop.time() + self._patience
        if self._timer is None:
            # All are equally patient, so the first in the queue is always the first to give up.
            self._timer = loop.call_at(until, self._look, loop)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # The place came in the same moment as the cancellation: hand it on.
                self.leave()
            else:
                self._waiters.pop(waiter, None)
            raise

    def leave(self) -> None:
        """Give a place back: to the first who still waits, else to nobody."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_use -= 1

    def refuse_waiting(self, kind: ErrorKind) -> None:
        """End all waiting now, with an error."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ProxyError(kind))
        self._waiters.clear()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse those whose patience has ended, and come back for the next."""
        self._timer = None
        now = loop.time()
        while self._waiters:
            waiter, until = next(iter(self._waiters.items()))
            if until > now:
                self._timer = loop.call_at(until, self._look, loop)
                return
            del self._waiters[waiter]
            if not waiter.done():
                waiter.set_exception(ProxyError(ErrorKind.QUEUE_TIMEOUT))
