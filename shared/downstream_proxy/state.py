"""What lives as long as the server: routes, counters and switches. Made from settings, opened in the serving
loop."""

from __future__ import annotations

from .access_log import AccessLog
from .admin import Admin
from .connections import Connections
from .errors import ProxyError
from .http1.request_head import HeadLimits
from .http1.server_rules import ConnectionRules
from .metrics import Metrics
from .problem import render_refusal
from .route import DownstreamFactory, Identity, Route
from .settings import Settings
from .target import Routes


class ProxyState:
    """One process's worth of proxy.

    draining: readiness fails, connections end with their present response.
    """

    def __init__(self, settings: Settings, make_downstream: DownstreamFactory) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.unrouted = self.metrics.of("")
        self.access_log = AccessLog(settings.access_log)
        self.max_inflight = settings.limits.max_inflight
        self.inflight = 0
        self.draining = False
        self.connections = Connections()
        self.admin = Admin(self)
        self.rules = self._connection_rules()
        identity = Identity(settings)
        self._all = {
            name: Route(name, downstream, identity, self.metrics.of(name), make_downstream)
            for name, downstream in settings.downstreams.items()
        }
        self.routes = Routes((settings.downstreams[name].prefix, route) for name, route in self._all.items())
        self.metrics.inflight.set_function(lambda: self.inflight)
        for name, route in self._all.items():
            self.metrics.watch_pool(name, route.admission)

    async def open(self) -> None:
        for route in self._all.values():
            await route.downstream.open()

    async def close(self) -> None:
        for route in self._all.values():
            await route.downstream.close()

    def refused(self, error: ProxyError, peer: str) -> None:
        """Count and log what never became a request."""
        self.unrouted.answered(b"", error.entry.status, 0.0)
        self.unrouted.failed(error.kind)
        self.access_log.log(
            peer=peer,
            method=b"-",
            target=b"-",
            status=error.entry.status,
            size=0,
            seconds=0.0,
            downstream="",
            request_id=b"",
            error=error,
        )

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
            render_refusal=render_refusal,
            on_refusal=self.refused,
        )
