"""What lives as long as the process, and what lives as long as one configuration: counters, connections and
switches there, routes and limits here. A configuration is opened in the serving loop; a reload makes the next
one beside it (see succession)."""

from __future__ import annotations

import asyncio

from .access_log import AccessLog, Exchange
from .admin import Admin
from .connections import Connections
from .errors import ProxyError
from .exposition import Exposition
from .extras import RouteExtras
from .http1.request_head import HeadLimits
from .http1.server_rules import ConnectionRules
from .message import IncomingRequest
from .metrics import Metrics
from .problem import render_refusal
from .rate_limits import Counts, RateLimits
from .reloads import Reloads
from .route import DownstreamFactory, Identity, Route
from .settings import DownstreamSettings, Settings
from .settings_rates import RateStorage
from .status import RecentErrors
from .status_stream import StatusEndpoint
from .target import Routes
from .tracing import RouteTracing, Tracing


class ProcessState:
    """What outlives a reload.

    draining: readiness fails, connections end with their present response. states: the configurations that
    requests still follow, the present one last.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.connections = Connections()
        self.reloads = Reloads()
        self.draining = False
        self.states: list[ProxyState] = []
        self.exposition = Exposition(self)
        self.recent_errors = RecentErrors()
        self.status = StatusEndpoint(self)
        self.counts: dict[RateStorage, Counts] = {}
        self._tracing: Tracing | None = None

    def counts_in(self, storage: RateStorage) -> Counts:
        """The counts of rate limits; a reload that leaves their storage as it is leaves them too."""
        if storage not in self.counts:
            self.counts[storage] = Counts(storage)
        return self.counts[storage]

    def tracing(self) -> Tracing:
        """Made when it is asked for first, which is behind any fork."""
        if self._tracing is None:
            self._tracing = Tracing()
        return self._tracing

    async def close(self) -> None:
        """Let go of what outlived the configurations."""
        for counts in self.counts.values():
            await counts.close()
        self.counts.clear()
        tracing, self._tracing = self._tracing, None
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


class ProxyState:
    """One configuration's worth of proxy. process: what it shares with the one before and the one behind.
    by_name: the routes by downstream."""

    def __init__(self, settings: Settings, make_downstream: DownstreamFactory, process: ProcessState) -> None:
        self.settings = settings
        self.process = process
        self.metrics = process.metrics
        self.connections = process.connections
        self.unrouted = self.metrics.of("")
        self.max_inflight = settings.limits.max_inflight
        self.inflight = 0
        self.admin = Admin(self)
        identity = Identity(settings)
        self.access_log = AccessLog(
            settings.access_log, settings.access_log_format, settings.access_log_sample, identity.client
        )
        self.rules = self._connection_rules()
        self.by_name = {
            name: Route(name, downstream, identity, self.metrics.of(name), make_downstream)
            for name, downstream in settings.downstreams.items()
        }
        self._opened: list[Route] = []
        for name, downstream in settings.downstreams.items():
            self.by_name[name].extras = self._extras(name, downstream, identity)
        self.routes = Routes(
            (settings.downstreams[name].prefix, route) for name, route in self.by_name.items()
        )

    @property
    def draining(self) -> bool:
        return self.process.draining

    def show(self) -> None:
        """Be what the gauges speak of from now on."""
        self.process.states.append(self)

    async def rest(self) -> None:
        """Another configuration has taken over: what only new requests need stops."""
        for route in self.by_name.values():
            if route.balanced is not None:
                await route.balanced.rest()

    def hide(self) -> None:
        """The last request is done: gauges forget what no other configuration has, counters keep it."""
        self.process.states.remove(self)
        for route in self.by_name.values():
            for address in route.addresses():
                route.metrics.retire_address(address.url, address.ejections)
            route.metrics.opened += route.breaker().opened

    async def open(self) -> None:
        for route in self.by_name.values():
            await route.downstream.open()
            self._opened.append(route)

    async def close(self) -> None:
        # A server closes what its application may have closed already; a downstream is closed once.
        opened, self._opened = self._opened, []
        for route in opened:
            await route.downstream.close()

    def _extras(self, name: str, downstream: DownstreamSettings, identity: Identity) -> RouteExtras | None:
        """What is switched on for a route beside forwarding; None for nothing."""
        settings = self.settings
        rates = tracing = None
        if downstream.rate_limits:
            storage = settings.rate_limits
            counts = self.process.counts_in(storage)
            rates = RateLimits(name, downstream.rate_limits, counts, identity.client, storage.fields)
        if settings.tracing:
            tracing = RouteTracing(self.process.tracing(), name, downstream.prefix, downstream.addresses[0])
        if rates is None and tracing is None and not settings.server_timing:
            return None
        return RouteExtras(rates, settings.server_timing, tracing)

    def _connection_rules(self) -> ConnectionRules:
        """The bounds that every client connection is read with."""
        limits, timeouts = self.settings.limits, self.settings.timeouts
        return ConnectionRules(
            head=HeadLimits(limits.max_request_head, limits.max_header_fields, limits.max_target),
            max_body=limits.max_request_body,
            head_timeout=timeouts.request_head,
            body_idle=timeouts.request_body_idle,
            min_body_rate=limits.min_request_body_rate,
            keep_alive=timeouts.keep_alive,
            response_idle=timeouts.response_idle,
            render_refusal=render_refusal,
            on_refusal=_Refusals(self.process, self.access_log).note,
        )


class _Refusals:
    """Counts and logs what never became a request.

    A connection keeps the rules that it began with, and this with them, for as long as it lasts: so it must
    not know the configuration, whose routes would stay too.
    """

    def __init__(self, process: ProcessState, access_log: AccessLog) -> None:
        self._process = process
        self._access_log = access_log

    def note(self, error: ProxyError, peer: str) -> None:
        self._process.metrics.of("").refused(error.kind, error.entry.status)
        request = IncomingRequest(b"-", b"-", [], peer=peer)
        self._process.recent_errors.note(error, error.entry.status, request, None, b"")
        if self._access_log.enabled:
            self._access_log.log(Exchange(request, error.entry.status, 0.0, error=error))
