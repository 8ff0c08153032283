"""Spans as an OTLP receiver gets them: one trace from the client through the proxy to the downstream."""

from __future__ import annotations

import http.client
import http.server
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..backends import Backend, Server
from ..origin import Connection, Origin
from ..recorded import Request

SETTINGS = """
tracing = true
[downstreams.api]
prefix = "/api"
url = "http://$ORIGIN"
timeouts = { head = 0.3 }
[downstreams.rest]
url = "http://$ORIGIN"
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3
DEADLINE = 15.0


class Receiver:
    """Takes spans over HTTP, as a collector does."""

    def __init__(self) -> None:
        self._spans: queue.Queue[dict[str, Any]] = queue.Queue()
        take = self._take

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, content: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    values = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                    self._spans.put({"span": span, "service": service, **values})

    def both(self) -> dict[int, dict[str, Any]]:
        """The next server span and the next client span, by kind."""
        found = [self._spans.get(timeout=DEADLINE) for _ in range(2)]
        return {one["span"].kind: one for one in found}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


Traced = Callable[..., Server]


@pytest.fixture
def traced(backend: Backend, origin: Origin, receiver: Receiver, tmp_path: Path) -> Iterator[Traced]:
    """Call it to start a proxy whose spans go to the receiver.

    Not by the suite's own start, which sets HTTP_PROXY: an exporter follows that, as it should.
    """
    if backend.module is None:
        pytest.skip("needs a proxy that the suite can start")
    config, log = tmp_path / "proxy.toml", tmp_path / "stderr.txt"
    config.write_text(SETTINGS.replace("$ORIGIN", origin.authority.decode()))
    started: list[Server] = []

    def begin(delay: str = "50") -> Server:
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": delay,
            "NO_PROXY": "127.0.0.1",
        }
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as errors:
            flags = ["--fd", str(listener.fileno()), "--config", str(config)]
            process = subprocess.Popen(
                [sys.executable, "-m", str(backend.module), *flags],
                env=environment,
                stderr=errors,
                stdout=errors,
                pass_fds=[listener.fileno()],
            )
            started.append(Server(listener.getsockname()[:2], process, log))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


def ask(server: Server, target: str, **fields: str) -> int:
    connection = http.client.HTTPConnection(*server.address, timeout=DEADLINE)
    connection.request("GET", target, headers={"Connection": "close", **fields})
    status = connection.getresponse().status
    connection.close()
    return status


def test_one_trace_leads_from_the_client_to_the_downstream(
    traced: Traced, receiver: Receiver, origin: Origin
) -> None:
    assert (
        ask(traced(), "/api/x?token=s3cret", traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=1") == 200
    )
    spans = receiver.both()
    server, client = spans[SERVER], spans[CLIENT]
    assert server["service"] == "downstream-proxy"
    assert server["span"].trace_id.hex() == client["span"].trace_id.hex() == TRACE
    assert server["span"].parent_span_id.hex() == PARENT
    assert client["span"].parent_span_id == server["span"].span_id
    (seen,) = origin.seen("/api/x?token=s3cret")
    assert seen.all(b"traceparent") == [f"00-{TRACE}-{client['span'].span_id.hex()}-01".encode()]
    assert seen.all(b"tracestate") == [b"a=1"]
    assert server["span"].name == "GET /api"
    assert (server["http.request.method"], server["url.path"], server["http.route"]) == (
        "GET",
        "/api/x",
        "/api",
    )
    assert server["http.response.status_code"] == client["http.response.status_code"] == 200
    assert client["url.full"] == f"http://{origin.authority.decode()}/api/x"
    assert client["server.port"] == origin.address[1]
    assert "s3cret" not in str(spans)


def test_failure_names_its_kind_in_both_spans(traced: Traced, receiver: Receiver, origin: Origin) -> None:
    async def stall(conn: Connection, request: Request) -> None:
        await conn.gone()

    origin.script("/api/slow", stall)
    assert ask(traced(), "/api/slow") == 504
    spans = receiver.both()
    for span in spans.values():
        assert span["error.type"] == "head-timeout"
        assert span["span"].status.code == 2
    assert spans[SERVER]["http.response.status_code"] == 504
    assert "http.response.status_code" not in spans[CLIENT]


def test_spans_that_wait_are_sent_before_the_process_ends(traced: Traced, receiver: Receiver) -> None:
    server = traced(delay="600000")
    assert ask(server, "/x") == 200
    server.stop()
    assert receiver.both().keys() == {SERVER, CLIENT}
