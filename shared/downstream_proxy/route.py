"""Everything a request needs to know about where it goes, compiled from the settings once."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable

from .admission import Admission
from .connecting import Address
from .delivery import Transform
from .downstream import Downstream
from .headers import FieldEdits, RequestFields, ResponseFields
from .identity import ForwardedFields, RequestIds, TrustedPeers, via_pseudonym
from .metrics import DownstreamMetrics
from .retry import RetryBudget
from .settings import DownstreamSettings, HeaderRules, Settings
from .target import outgoing_target

logger = logging.getLogger("downstream_proxy")

DownstreamFactory = Callable[[DownstreamSettings, Address], Downstream]


class Identity:
    """What all routes of a proxy share of its identity."""

    def __init__(self, settings: Settings) -> None:
        listen = settings.uds or f"{settings.host}:{settings.port}"
        self.via = via_pseudonym(settings.via, listen)
        self.forwarded = ForwardedFields(settings.forwarded_headers)
        self.trusted = TrustedPeers(settings.trusted_proxies)
        self.request_ids = RequestIds() if settings.request_id else None
        self.keep_underscores = settings.underscores_in_headers


class Route:
    """One downstream with its compiled rules, its places and its counters."""

    def __init__(
        self,
        name: str,
        settings: DownstreamSettings,
        identity: Identity,
        metrics: DownstreamMetrics,
        make_downstream: DownstreamFactory,
    ) -> None:
        address = Address.parse(settings.addresses[0])
        if len(settings.addresses) > 1:
            logger.warning("downstreams.%s.urls: only the first address is used so far", name)
        self.name = name
        self.metrics = metrics
        self.timeouts = settings.timeouts
        self.delivery = settings.delivery
        self.max_buffered_body = settings.limits.max_buffered_body
        self.websocket_origins = settings.websocket_origins
        self.transform = load_hook(settings.transform) if settings.transform else None
        self.attempts = settings.retry.attempts
        self.budget = RetryBudget(settings.retry.budget)
        self.admission = Admission(
            settings.pool.max_connections, settings.pool.max_queue, settings.timeouts.pool
        )
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
        self.downstream = make_downstream(settings, address)
        self._strip = settings.strip_prefix
        self._base = address.base_path

    def target(self, target: bytes, prefix: bytes) -> bytes:
        """The target to ask the downstream for."""
        return outgoing_target(target, prefix, self._strip, self._base)


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
