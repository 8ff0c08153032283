"""Whether a failed request may be sent again: one question, could it have been processed? Pure but for the
budget's count."""

from __future__ import annotations

import random

from .errors import ProxyError, Retry, Stage
from .message import OutgoingRequest

# RFC 9110, section 9.2.2. An unknown method is taken for one that is not.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})

_BEFORE_THE_REQUEST = (Stage.DNS, Stage.CONNECT, Stage.TLS)

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.5


class RetryBudget:
    """Retries as a share of requests, so that retries cannot multiply the load on a downstream that is
    failing.

    Every request pays `share` into a purse that holds at most `reserve` retries; every retry takes one out.
    """

    def __init__(self, share: float, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._purse = reserve if share > 0 else 0.0

    def request(self) -> None:
        if self._purse < self._reserve:
            self._purse += self._share

    def take(self) -> bool:
        if self._purse < 1.0:
            return False
        self._purse -= 1.0
        return True


def may_retry(request: OutgoingRequest, error: ProxyError, attempt: int, attempts: int) -> bool:
    """Whether attempt number `attempt` (from 1) may be followed by another.

    A request whose body was touched is gone with it. When no connection came about nothing was sent, and any
    method may try again; when a connection ended without an answer, only idempotent methods may (RFC 9110,
    section 9.2.2). Some failures to connect are only worth another try at another address.
    """
    if attempt >= attempts:
        return False
    retry = error.entry.retry
    if retry is Retry.ALWAYS:
        return True
    if retry is Retry.ELSEWHERE:
        return request.elsewhere and error.stage in _BEFORE_THE_REQUEST
    return retry is Retry.IDEMPOTENT and request.body is None and request.method in IDEMPOTENT


def pause_before(attempt: int) -> float:
    """Seconds before attempt number `attempt` (from 2): exponential, with full jitter."""
    return random.uniform(0.0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 4.0 ** (attempt - 2)))
