"""What is counted, once: Prometheus collectors with their label children looked up ahead of time.

Knows label values as short strings only; never a path, a header or an address of a client, as those are
unbounded and may be secret.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from .admission import Admission
from .errors import ErrorKind

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "downstream_proxy_requests_total",
            "Requests answered, by downstream, method and status class.",
            ("downstream", "method", "status"),
            registry=self.registry,
        )
        self._errors = Counter(
            "downstream_proxy_errors_total",
            "Exchanges that failed, by downstream and error kind.",
            ("downstream", "kind"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "downstream_proxy_request_seconds",
            "From the request's head to the response's end.",
            ("downstream",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._retries = Counter(
            "downstream_proxy_retries_total", "Requests sent again.", ("downstream",), registry=self.registry
        )
        self.inflight = Gauge("downstream_proxy_inflight", "Requests in flight.", registry=self.registry)
        self._pool = Gauge(
            "downstream_proxy_pool",
            "Places per downstream by state.",
            ("downstream", "state"),
            registry=self.registry,
        )

    def watch_pool(self, downstream: str, admission: Admission) -> None:
        """Show a downstream's places when they are asked for, at no cost per request."""
        self._pool.labels(downstream, "in_use").set_function(lambda: admission.in_use)
        self._pool.labels(downstream, "waiting").set_function(lambda: admission.waiting)

    def unwatch_pool(self, downstream: str) -> None:
        """Forget a downstream that the configuration no longer has; its counters stay, as counters do."""
        for state in ("in_use", "waiting"):
            self._pool.remove(downstream, state)

    def of(self, downstream: str) -> DownstreamMetrics:
        return DownstreamMetrics(downstream, self._requests, self._errors, self._seconds, self._retries)

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class DownstreamMetrics:
    """The counters of one downstream; a call costs one dictionary look-up and one increment."""

    def __init__(
        self, downstream: str, requests: Counter, errors: Counter, seconds: Histogram, retries: Counter
    ) -> None:
        self._downstream = downstream
        self._requests = requests
        self._errors = errors
        self._retries = retries.labels(downstream)
        self._seconds = seconds.labels(downstream)
        self._children: dict[tuple[bytes, int], Counter] = {}

    def answered(self, method: bytes, status: int, seconds: float) -> None:
        key = (method, status // 100)
        child = self._children.get(key)
        if child is None:
            # Methods beyond the common ones share a label: a client can invent any number of them.
            known = method if method in _METHODS else b"other"
            child = self._requests.labels(self._downstream, known.decode(), f"{status // 100}xx")
            if method in _METHODS:
                self._children[key] = child
        child.inc()
        self._seconds.observe(seconds)

    def failed(self, kind: ErrorKind) -> None:
        self._errors.labels(self._downstream, kind.value).inc()

    def retried(self) -> None:
        self._retries.inc()
