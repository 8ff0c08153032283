"""Admission behind a circuit breaker: while it is open nobody waits for a place, as there is nothing to wait
for."""

from __future__ import annotations

from ..admission import Admission
from ..errors import ErrorKind, ProxyError
from ..settings import DownstreamSettings
from .breaker import Breaker


class GuardedAdmission(Admission):
    """Refuses with circuit-open before the queue; the breaker's own ticket is taken behind it."""

    def __init__(self, breaker: Breaker, places: int, queue: int, patience: float) -> None:
        super().__init__(places, queue, patience)
        self._breaker = breaker

    def try_enter(self) -> bool:
        return (self._breaker.closed or not self._breaker.refuses()) and super().try_enter()

    async def enter(self) -> None:
        if self._breaker.refuses():
            raise ProxyError(ErrorKind.CIRCUIT_OPEN)
        await super().enter()


def admission(settings: DownstreamSettings, breaker: Breaker | None) -> Admission:
    """The places of one downstream: of all its addresses together."""
    pool, patience = settings.pool, settings.timeouts.pool
    if breaker is None:
        return Admission(pool.max_connections, pool.max_queue, patience)
    return GuardedAdmission(breaker, pool.max_connections, pool.max_queue, patience)
