"""Steps 2 and 4 of a request's walk: a place, then an attempt, then perhaps another.

Knows places, the retry budget and what time went into waiting; neither the client nor how an answer is
delivered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from .downstream import DownstreamResponse
from .errors import ErrorKind, ProxyError
from .message import OutgoingRequest
from .retry import may_retry, pause_before
from .route import Route
from .timing import Waits


def send(route: Route, outgoing: OutgoingRequest, began: float) -> Awaitable[DownstreamResponse]:
    """Send the request, again where that is harmless, and return its answer's head.

    began: when the request did, on time.perf_counter's clock; the total time-out counts from the sending.
    Raises ProxyError; what was waited for stands in `outgoing.waits` then too.
    """
    attempts = _attempts(route, outgoing, began)
    total = route.timeouts.total
    return attempts if total is None else _within(total, attempts)


async def _within(total: float, attempts: Awaitable[DownstreamResponse]) -> DownstreamResponse:
    try:
        async with asyncio.timeout(total):
            return await attempts
    except TimeoutError:
        raise ProxyError(ErrorKind.TOTAL_TIMEOUT) from None


async def _attempts(route: Route, outgoing: OutgoingRequest, began: float) -> DownstreamResponse:
    route.budget.request()
    attempt = 1
    while True:
        if not route.admission.try_enter():
            await _queue(route, outgoing)
        try:
            return await route.downstream.send(outgoing, route.admission.leave)
        except ProxyError as error:
            # A connection that had died in the pool is no attempt: nothing was asked yet, and each such try
            # uses one idle connection up.
            stale = error.kind is ErrorKind.STALE_CONNECTION
            if not may_retry(outgoing, error, 1 if stale else attempt, route.attempts):
                raise
            if not route.budget.take():
                raise
        finally:
            if outgoing.connect:
                _waits(outgoing).connect = outgoing.connect
                route.metrics.connect.observe(outgoing.connect)
                outgoing.connect = 0.0
        route.metrics.retries += 1
        if not stale:
            attempt += 1
            await asyncio.sleep(pause_before(attempt))
        _waits(outgoing).again(time.perf_counter() - began)


async def _queue(route: Route, outgoing: OutgoingRequest) -> None:
    began = time.perf_counter()
    try:
        await route.admission.enter()
    finally:
        seconds = time.perf_counter() - began
        _waits(outgoing).queue += seconds
        route.metrics.queue.observe(seconds)


def _waits(outgoing: OutgoingRequest) -> Waits:
    if outgoing.waits is None:
        outgoing.waits = Waits()
    return outgoing.waits
