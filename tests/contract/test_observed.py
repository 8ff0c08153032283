"""Chapter operations, what is told of single requests: trace context and Server-Timing."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..scripts import ok, reply
from .lab import Lab, get, rule
from .settings import RATES

ProxyWith = Callable[[str], Lab]
CONTEXT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TIMED = reply(ok(b"hello", b"Server-Timing: db;dur=5.2"))


@rule("operations.trace-context")
def test_trace_context_passes_as_it_came(proxy: Lab) -> None:
    seen = proxy.forwarded(get(b"/x", CONTEXT, b"TraceState: vendor=a, other=b"))
    assert CONTEXT in bytes(seen.raw)
    assert b"TraceState: vendor=a, other=b" in bytes(seen.raw)


@rule("operations.server-timing")
def test_server_timing_is_the_downstreams_alone(proxy: Lab) -> None:
    proxy.origin.script("/x", TIMED)
    assert proxy.ask(get(b"/x")).all(b"server-timing") == [b"db;dur=5.2"]


@rule("operations.server-timing")
def test_server_timing_tells_where_the_time_went_when_asked_to(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(RATES)
    proxy.origin.script("/x", TIMED)
    first, ours = proxy.ask(get(b"/x")).all(b"server-timing")
    assert first == b"db;dur=5.2"
    assert re.fullmatch(rb"(connect;dur=\d+\.\d, )?downstream;dur=\d+\.\d", ours)
