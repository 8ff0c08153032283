"""What a route does beside forwarding, when it is asked to: rate limits, Server-Timing, spans.

A route without any of them has no RouteExtras, and its requests pay for none. Knows the moments of a
request's walk, and nothing of how the walk goes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .message import HeaderPairs, IncomingRequest, OutgoingRequest
from .rate_limits import RateLimitedError, RateLimits

if TYPE_CHECKING:
    from .access_log import Exchange
    from .tracing import RequestSpans, RouteTracing


@dataclass(frozen=True, slots=True)
class RouteExtras:
    """What is switched on for one route."""

    rates: RateLimits | None = None
    server_timing: bool = False
    tracing: RouteTracing | None = None

    def begin(self, request: IncomingRequest) -> Extras:
        return Extras(self, request)


class Extras:
    """Those of one request. fields: for its answer, whoever gives it."""

    __slots__ = ("_of", "_request", "_spans", "fields")

    def __init__(self, of: RouteExtras, request: IncomingRequest) -> None:
        self._of = of
        self._request = request
        self._spans: RequestSpans | None = of.tracing.begin(request) if of.tracing is not None else None
        self.fields: HeaderPairs = []

    async def admit(self) -> None:
        """Count the request. Raises ProxyError when that refuses it."""
        if self._of.rates is not None:
            try:
                self.fields = await self._of.rates.admit(self._request)
            except RateLimitedError as error:
                self.fields = error.fields
                raise

    def sending(self, outgoing: OutgoingRequest) -> None:
        """It is about to go to the downstream."""
        if self._spans is not None:
            self._spans.sending(outgoing)

    def answered(self, headers: HeaderPairs, outgoing: OutgoingRequest, began: float) -> None:
        """The downstream's head is there, as the client will get it. began: perf_counter's."""
        headers += self.fields
        if self._of.server_timing:
            headers.append((b"Server-Timing", server_timing(outgoing, time.perf_counter() - began)))

    def ended(self, exchange: Exchange) -> None:
        if self._spans is not None:
            self._spans.ended(exchange)


def server_timing(outgoing: OutgoingRequest, seconds: float) -> bytes:
    """The field's value (W3C Server Timing, section 3), durations in milliseconds. seconds: from the
    request's head to the answer's."""
    waits = outgoing.waits
    split = {
        "queue": waits.queue if waits is not None else 0.0,
        "retries": waits.retries if waits is not None else 0.0,
        "connect": outgoing.connect,
    }
    split["downstream"] = max(0.0, seconds - sum(split.values()))
    named = (
        f"{name};dur={value * 1000:.1f}" for name, value in split.items() if value or name == "downstream"
    )
    return ", ".join(named).encode()
