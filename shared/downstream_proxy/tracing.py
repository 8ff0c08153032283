"""Spans of OpenTelemetry for a request: the server's for what the client asked, the client's for what the
downstream is asked, by the semantic conventions for HTTP.

Knows the library's API only where tracing is switched on; where spans go is OTEL_*'s business. Queries and
header values stay out of them.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .message import HeaderPairs, IncomingRequest, OutgoingRequest
from .metrics import METHODS
from .metrics_families import VERSION
from .rate_limits import MissingLibraryError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .access_log import Exchange

logger = logging.getLogger("downstream_proxy")

FIELDS = frozenset({b"traceparent", b"tracestate"})
"""W3C Trace Context. Without tracing they pass as any other field does."""

FLUSH_SECONDS = 3.0
"""How long the end of the process waits for the last spans to be sent."""


def require_tracing() -> None:
    """Raises MissingLibraryError without the extra."""
    try:
        import opentelemetry.sdk.trace  # noqa: F401
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: F401
    except ImportError:
        raise MissingLibraryError("spans need the extra: pip install 'downstream-proxy[otel]'") from None


class Tracing:
    """The tracer of one process. Make it after forking: its exporter has a thread.

    A program that has set a tracer provider of its own keeps it, and its exporters.
    """

    def __init__(self) -> None:
        require_tracing()
        from opentelemetry import trace
        from opentelemetry.trace import ProxyTracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        present = trace.get_tracer_provider()
        self._own = _provider() if isinstance(present, ProxyTracerProvider) else None
        self.tracer = (self._own or present).get_tracer("downstream_proxy", VERSION)
        self.propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what is left, within FLUSH_SECONDS. Blocks."""
        if self._own is not None:
            # An exporter that nobody answers goes on for longer than anybody waits for a process to end.
            ending = threading.Thread(target=self._own.shutdown, name="spans", daemon=True)
            ending.start()
            ending.join(FLUSH_SECONDS)


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if named else {SERVICE_NAME: "downstream-proxy"})
    provider = TracerProvider(resource=resource)
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if wanted == "console":
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    elif wanted == "otlp":
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    elif wanted != "none":
        logger.warning("OTEL_TRACES_EXPORTER=%s is not known here; no spans are sent", wanted)
    return provider


class RouteTracing:
    """Makes the spans of one route's requests. prefix: the route. url: of the downstream."""

    def __init__(self, tracing: Tracing, name: str, prefix: str, url: str) -> None:
        self.tracing = tracing
        self.name = name
        self.prefix = prefix
        self.url = url

    def begin(self, request: IncomingRequest) -> RequestSpans:
        return RequestSpans(self, request)


class RequestSpans:
    """Both spans of one request.

    Where the framework's own instrumentation has begun a span for the request, that one is the server's, and
    only the client's is made here.
    """

    __slots__ = ("_client", "_context", "_method", "_of", "_server", "_target")

    def __init__(self, of: RouteTracing, request: IncomingRequest) -> None:
        from opentelemetry import trace

        self._of = of
        self._client: Span | None = None
        self._server: Span | None = None
        self._target = b""
        known = request.method in METHODS
        self._method = request.method.decode() if known else "_OTHER"
        self._context: Context | None = None
        if not trace.get_current_span().get_span_context().is_valid:
            carrier = {
                name.lower().decode(): value.decode("latin-1")
                for name, value in request.headers
                if name.lower() in FIELDS
            }
            parent = of.tracing.propagator.extract(carrier)
            name = f"{self._method if known else 'HTTP'} {of.prefix}"
            self._server = of.tracing.tracer.start_span(
                name, parent, trace.SpanKind.SERVER, _of_request(request, self._method, of.prefix)
            )
            self._context = trace.set_span_in_context(self._server, parent)

    def sending(self, outgoing: OutgoingRequest) -> None:
        """Begin the client's span, and name it to the downstream."""
        from opentelemetry import trace

        self._target = outgoing.target
        self._client = self._of.tracing.tracer.start_span(
            self._method if self._method != "_OTHER" else "HTTP",
            self._context,
            trace.SpanKind.CLIENT,
            {
                "http.request.method": self._method,
                "url.full": _full(self._of.url, outgoing.target),
                "downstream_proxy.downstream": self._of.name,
                **_server_of(self._of.url),
            },
        )
        carrier: dict[str, str] = {}
        self._of.tracing.propagator.inject(carrier, trace.set_span_in_context(self._client, self._context))
        headers: HeaderPairs = [pair for pair in outgoing.headers if pair[0].lower() not in FIELDS]
        headers += [(name.encode(), value.encode()) for name, value in carrier.items()]
        outgoing.headers[:] = headers

    def ended(self, exchange: Exchange) -> None:
        """End both with what came of the request."""
        error = exchange.error.kind.value if exchange.error is not None else ""
        if self._client is not None:
            if exchange.address and exchange.address != self._of.url:
                self._client.set_attribute("url.full", _full(exchange.address, self._target))
                self._client.set_attributes(_server_of(exchange.address))
            if exchange.first_byte >= 0.0:
                self._client.set_attribute("http.response.status_code", exchange.status)
            _finish(self._client, error, exchange.status if exchange.status >= 400 else 0)
        if self._server is not None:
            self._server.set_attribute("http.response.status_code", exchange.status)
            self._server.set_attribute("http.response.body.size", exchange.size)
            if exchange.request_id:
                self._server.set_attribute("downstream_proxy.request_id", exchange.request_id.decode())
            _finish(self._server, error, exchange.status if exchange.status >= 500 else 0)


def _finish(span: Span, error: str, status: int) -> None:
    from opentelemetry.trace import Status, StatusCode

    if error or status:
        span.set_attribute("error.type", error or str(status))
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _of_request(request: IncomingRequest, method: str, prefix: str) -> dict[str, Any]:
    """The server span's attributes. The query is left out: secrets travel in queries."""
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": request.scheme.decode(),
        "url.path": request.target.partition(b"?")[0].decode("latin-1"),
        "http.route": prefix,
        "network.protocol.version": f"1.{request.minor}",
    }
    if method == "_OTHER":
        attributes["http.request.method_original"] = request.method.decode("latin-1")
    if request.host:
        parts = urlsplit(f"//{request.host.decode('latin-1')}")
        attributes["server.address"] = parts.hostname or ""
    if request.peer:
        attributes["network.peer.address"] = request.peer
    return attributes


def _server_of(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


def _full(url: str, target: bytes) -> str:
    """The URL asked, without its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{target.partition(b'?')[0].decode('latin-1')}"
