"""Which spans a request gets, and whose children they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from downstream_proxy.access_log import Exchange
from downstream_proxy.message import IncomingRequest, OutgoingRequest
from downstream_proxy.tracing import RouteTracing, Tracing
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RouteTracing, InMemorySpanExporter]]:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    tracing, spans = Tracing(), InMemorySpanExporter()
    assert tracing._own is not None
    tracing._own.add_span_processor(SimpleSpanProcessor(spans))
    yield RouteTracing(tracing, "api", "/api", "http://127.0.0.1:9"), spans
    tracing.close()


def walk(tracing: RouteTracing, method: bytes = b"GET", address: str = "http://127.0.0.1:9") -> HeadersSent:
    request = IncomingRequest(method, b"/api/x?s3cret", [(b"traceparent", b"nonsense")], peer="192.0.2.1")
    spans = tracing.begin(request)
    outgoing = OutgoingRequest(method, b"/x?s3cret", [(b"Host", b"a"), (b"TraceParent", b"nonsense")])
    spans.sending(outgoing)
    spans.ended(Exchange(request, 200, 0.1, 5, 0.05, address=address))
    return outgoing.headers


HeadersSent = list[tuple[bytes, bytes]]


def test_span_that_the_framework_has_begun_is_the_servers(
    traced: tuple[RouteTracing, InMemorySpanExporter],
) -> None:
    tracing, spans = traced
    with tracing.tracing.tracer.start_as_current_span("GET /", kind=SpanKind.SERVER) as outer:
        walk(tracing)
    made = [span for span in spans.get_finished_spans() if span.name != "GET /"]
    assert [span.kind for span in made] == [SpanKind.CLIENT]
    assert made[0].parent is not None
    assert made[0].parent.span_id == outer.get_span_context().span_id


def test_context_that_is_none_begins_a_new_trace_and_is_replaced(
    traced: tuple[RouteTracing, InMemorySpanExporter],
) -> None:
    tracing, spans = traced
    sent = walk(tracing)
    client, server = spans.get_finished_spans()
    assert server.parent is None
    assert client.context is not None
    (named,) = [value for name, value in sent if name.lower() == b"traceparent"]
    _, trace_id, span_id, flags = named.decode().split("-")
    assert trace_id == trace.format_trace_id(client.context.trace_id)
    assert span_id == trace.format_span_id(client.context.span_id)
    assert int(flags, 16) & 1


def test_method_of_the_clients_making_and_the_address_that_served_are_told(
    traced: tuple[RouteTracing, InMemorySpanExporter],
) -> None:
    tracing, spans = traced
    walk(tracing, b"BREW", "http://127.0.0.2:81")
    client, server = spans.get_finished_spans()
    assert (server.name, client.name) == ("HTTP /api", "HTTP")
    assert server.attributes is not None
    assert client.attributes is not None
    assert server.attributes["http.request.method_original"] == "BREW"
    assert client.attributes["url.full"] == "http://127.0.0.2:81/x"
    assert (client.attributes["server.address"], client.attributes["server.port"]) == ("127.0.0.2", 81)
    assert "s3cret" not in str([dict(server.attributes), dict(client.attributes)])
