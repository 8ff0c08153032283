"""How often somebody may ask: the counts of rate limits, in memory or in Redis, by the library `limits`.

What it is for: one decision per request, within a bounded time, whatever the storage does.
What it must not know: routes, responses, where a request goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ErrorKind, ProxyError
from .message import HeaderPairs, IncomingRequest
from .settings_rates import RateLimit, RateStorage
from .settings_types import resolve_secret

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

    from .settings import Settings

logger = logging.getLogger("downstream_proxy")

PAUSE = 1.0
"""Seconds after a failure in which the storage is not asked again: a request in each of them finds out."""

_PREFIX = "downstream-proxy"
_INSTALL = "{} the extra: pip install 'downstream-proxy[{}]'"


class MissingLibraryError(ValueError):
    """A library that the settings need is not installed; the message says which extra has it."""


def counts_apart(settings: Settings) -> bool:
    """Whether each of several workers will count for itself, so that more pass than the limits say."""
    limited = any(downstream.rate_limits for downstream in settings.downstreams.values())
    return limited and settings.workers > 1 and settings.rate_limits.storage == "memory://"


class RateLimitedError(ProxyError):
    """Over a limit, or not known to be under it. fields: for the answer."""

    __slots__ = ("fields",)

    def __init__(self, kind: ErrorKind, fields: HeaderPairs) -> None:
        super().__init__(kind)
        self.fields = fields


class Counts:
    """The storage, and whether it answers. Outlives a reload that does not change it.

    unchecked: requests that were decided without it, by the rule for an outage. outages: times that it
    stopped answering. up: False from the first question that it did not answer to the next that it does.
    """

    def __init__(self, settings: RateStorage, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._ask_from = 0.0
        self._storage = _open_storage(settings)
        self.up = True
        self.outages = 0
        self.unchecked = 0

    def limiter(self, window: str) -> RateLimiter:
        from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

        return (MovingWindowRateLimiter if window == "moving" else FixedWindowRateLimiter)(self._storage)

    async def ask(self, question: Callable[[], Any]) -> Any:
        """The answer to `question`, a coroutine function; None when it cannot be had in time and requests
        pass then. Raises RateLimitedError when they do not."""
        if self._clock() >= self._ask_from:
            try:
                async with asyncio.timeout(self._settings.timeout):
                    answer = await question()
            except RateLimitedError:
                self._answered()
                raise
            except Exception as error:  # whatever a client library raises, it is no answer
                self._failed(error)
            else:
                self._answered()
                return answer
        self.unchecked += 1
        if self._settings.outage == "closed":
            raise RateLimitedError(ErrorKind.RATE_LIMIT_UNAVAILABLE, [])
        return None

    def _failed(self, error: Exception) -> None:
        self._ask_from = self._clock() + PAUSE
        if self.up:
            self.up = False
            self.outages += 1
            what = "requests pass" if self._settings.outage == "open" else "requests get 503"
            # The name only: the text of a client library's error may hold the URL with its password.
            why = str(error) if type(error).__name__ == "FullError" else type(error).__name__
            logger.error("rate limits cannot be counted (%s): %s until they can", why, what)

    def _answered(self) -> None:
        if not self.up:
            self.up = True
            logger.warning("rate limits are counted again")

    async def close(self) -> None:
        """Let connections go."""
        bridge = getattr(self._storage, "bridge", None)
        if bridge is not None:
            await bridge.get_connection().aclose(close_connection_pool=True)


def _open_storage(settings: RateStorage) -> Any:
    """limits' storage; nothing is connected yet. Raises MissingLibraryError or ValueError."""
    url = resolve_secret(settings.storage)
    try:
        from limits.aio.storage import RedisStorage

        from .rate_memory import BoundedMemory
    except ImportError:
        raise MissingLibraryError(_INSTALL.format("rate limits need", "limits")) from None
    if url == "memory://":
        return BoundedMemory(settings.max_keys)
    try:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise MissingLibraryError(_INSTALL.format("a Redis storage needs", "redis")) from None
    options: dict[str, Any] = {
        # The bound on the whole question comes first; these are for connections that nobody waits for.
        "socket_timeout": settings.timeout * 2,
        "socket_connect_timeout": settings.timeout * 2,
        "retry": Retry(NoBackoff(), 0),
    }
    return RedisStorage(f"async+{url}", implementation="redispy", key_prefix=_PREFIX, **options)


class RateLimits:
    """The rules of one route. client: the address of who asks."""

    def __init__(
        self,
        route: str,
        rules: Sequence[RateLimit],
        counts: Counts,
        client: Callable[[IncomingRequest], str],
        fields: bool,
    ) -> None:
        self._rules = [_Rule(route, rule, counts.limiter(rule.window), client) for rule in rules]
        self._counts = counts
        self._fields = fields
        self._policy = (b"RateLimit-Policy", b", ".join(rule.policy for rule in self._rules))

    async def admit(self, request: IncomingRequest) -> HeaderPairs:
        """Count a request. The fields that its answer gets.

        Raises RateLimitedError: rate-limited over a limit, rate-limit-unavailable in an outage that is to
        close. A request that is refused counts in the rules before the one that refuses it.
        """
        fields: HeaderPairs | None = await self._counts.ask(lambda: self._admit(request))
        return fields or []

    async def _admit(self, request: IncomingRequest) -> HeaderPairs:
        told = []
        for rule in self._rules:
            key = rule.key(request)
            for name, item in rule.items:
                allowed = await rule.limiter.hit(item, *key)
                if allowed and not self._fields:
                    continue
                reset, left = await rule.limiter.get_window_stats(item, *key)
                seconds = max(1, math.ceil(reset - time.time()))
                told.append(b'"%b";r=%d;t=%d' % (name, max(0, left) if allowed else 0, seconds))
                if not allowed:
                    fields = [(b"Retry-After", b"%d" % seconds)]
                    if self._fields:
                        fields += [self._policy, (b"RateLimit", b", ".join(told))]
                    raise RateLimitedError(ErrorKind.RATE_LIMITED, fields)
        return [self._policy, (b"RateLimit", b", ".join(told))] if told else []


class _Rule:
    """One rule, its limits parsed. policy: its part of RateLimit-Policy
    (draft-ietf-httpapi-ratelimit-headers-10)."""

    def __init__(
        self, route: str, rule: RateLimit, limiter: RateLimiter, client: Callable[[IncomingRequest], str]
    ) -> None:
        from limits import parse

        self.limiter = limiter
        self._route = route
        self._client = client
        self._header = rule.key.partition(":")[2].lower().encode()
        kind = self._header.decode() or "client"
        # Rules that count apart must not count in each other's place, nor find there what they cannot read.
        self._kind = f"{rule.window}-{kind}"
        parsed = [parse(text) for text in rule.limits]
        self.items = [(_name(kind, item), item) for item in parsed]
        self.policy = b", ".join(
            b'"%b";q=%d;w=%d' % (name, item.amount, item.get_expiry()) for name, item in self.items
        )

    def key(self, request: IncomingRequest) -> tuple[str, str, str]:
        """Under which a request is counted."""
        if self._header:
            for name, value in request.headers:
                if name.lower() == self._header:
                    # It may be a credential, and the storage need not know it.
                    return self._route, self._kind, hashlib.sha256(value).hexdigest()[:32]
        return self._route, self._kind, network(self._client(request))


def _name(kind: str, item: RateLimitItem) -> bytes:
    count = f"{item.multiples}-{item.GRANULARITY.name}s" if item.multiples > 1 else item.GRANULARITY.name
    return f"{kind}-{item.amount}-per-{count}".encode()


def network(client: str) -> str:
    """An address, of IPv6 its /64: a host there has that many addresses to itself."""
    if ":" not in client:
        return client or "unix"
    try:
        return str(ipaddress.ip_network((client.partition("%")[0], 64), strict=False))
    except ValueError:
        return client


def require(storage: RateStorage) -> None:
    """Raises ValueError, with what to mend, when requests could not be counted there."""
    _open_storage(storage)
