"""Everything a request needs to know about where it goes, compiled from the settings once."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable

from .balancing.balanced import BalancedDownstream
from .balancing.guarded import admission
from .balancing.status import AddressStatus, BreakerStatus
from .connecting import Address
from .delivery import Transform
from .downstream import Downstream
from .extras import RouteExtras
from .headers import FieldEdits, RequestFields, ResponseFields
from .identity import ForwardedFields, RequestIds, TrustedPeers, client_address, via_pseudonym
from .metrics import DownstreamMetrics
from .retry import RetryBudget
from .settings import DownstreamSettings, HeaderRules, Settings
from .target import outgoing_target

DownstreamFactory = Callable[[DownstreamSettings, Address], Downstream]


class Identity:
    """What all routes of a proxy share of its identity."""

    def __init__(self, settings: Settings) -> None:
        listen = settings.uds or f"{settings.host}:{settings.port}"
        self.via = via_pseudonym(settings.via, listen)
        self.forwarded = ForwardedFields(settings.forwarded_headers)
        self.trusted = TrustedPeers(settings.trusted_proxies)
        self.request_ids = RequestIds() if settings.request_id else None
        self.client = functools.partial(
            client_address, trusted=self.trusted, rfc=settings.forwarded_headers == "forwarded"
        )
        self.keep_underscores = settings.underscores_in_headers


class Route:
    """One downstream with its compiled rules, its places and its counters.

    balanced: several addresses, or one that is watched; None for one that is not.
    """

    def __init__(
        self,
        name: str,
        settings: DownstreamSettings,
        identity: Identity,
        metrics: DownstreamMetrics,
        make_downstream: DownstreamFactory,
    ) -> None:
        address = Address.parse(settings.addresses[0])
        self.name = name
        self.extras: RouteExtras | None = None
        self.metrics = metrics
        self.timeouts = settings.timeouts
        self.delivery = settings.delivery
        self.max_buffered_body = settings.limits.max_buffered_body
        self.websocket_origins = settings.websocket_origins
        self.transform = load_hook(settings.transform) if settings.transform else None
        self.attempts = settings.retry.attempts
        self.budget = RetryBudget(settings.retry.budget, retry_reserve(settings))
        self.request_fields = RequestFields(
            host=address.authority if settings.host_header == "downstream" else None,
            via=identity.via,
            forwarded=identity.forwarded,
            trusted=identity.trusted,
            request_ids=identity.request_ids,
            keep_underscores=identity.keep_underscores,
            edits=compile_edits(settings.request_headers),
        )
        self.response_fields = ResponseFields(compile_edits(settings.response_headers))
        self.balanced = None
        if len(settings.addresses) > 1 or settings.health.path or settings.breaker.failures:
            self.balanced = BalancedDownstream(name, settings, make_downstream)
        self.downstream: Downstream = self.balanced or make_downstream(settings, address)
        self.admission = self.balanced.admission if self.balanced else admission(settings, None)
        self.url = settings.addresses[0]
        self._strip = settings.strip_prefix
        self._base = address.base_path

    def target(self, target: bytes, prefix: bytes) -> bytes:
        """The target to ask the downstream for."""
        return outgoing_target(target, prefix, self._strip, self._base)

    def addresses(self) -> tuple[AddressStatus, ...]:
        """What is known of each address now; made anew by each call."""
        if self.balanced is None:
            return (AddressStatus(self.url, self.admission.in_use),)
        return self.balanced.addresses()

    def breaker(self) -> BreakerStatus:
        """The state of the circuit breaker now; "off" without one."""
        return self.balanced.breaker_status() if self.balanced else BreakerStatus()


def retry_reserve(settings: DownstreamSettings) -> float:
    """Retries that quiet times may save up. One of several addresses that ends takes its part of all requests
    in flight with it, at once, and each of them may have to go to another."""
    if len(settings.addresses) == 1:
        return 10.0
    return max(10.0, float(settings.pool.max_connections))


def compile_edits(rules: HeaderRules) -> FieldEdits:
    return FieldEdits.compile(rules.remove, rules.resolved_set(), rules.resolved_add())


def load_hook(text: str) -> Transform:
    """The callable that `module:attribute` names. Raises ValueError, with what to mend, when there is
    none."""
    module_name, _, attribute = text.partition(":")
    try:
        hook: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            hook = getattr(hook, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"transform {text!r} cannot be imported: {error}") from error
    if not callable(hook):
        raise ValueError(f"transform {text!r} is not callable")
    return hook
