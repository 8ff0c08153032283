"""What is behind the soak's proxy: nginx with files, in front of one small aiohttp application for what nginx
has no answer to (an upload's digest, WebSocket, server-sent events); it also takes the proxy's spans.

It must not know what is asked for, nor when an origin is killed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import WSMsgType, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .failover import Nginx
from .traffic import PIECE, PIECES

EVENTS = 15
SECRETS = "from the environment", "from a file"

_NGINX = """
daemon off;
master_process off;
user {user};
pid {directory}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 0;
    underscores_in_headers on;
    default_type application/octet-stream;
    types {{ text/plain txt; }}
    sendfile on;
    map $http_upgrade $connection_to_application {{ default upgrade; '' ''; }}
    upstream application {{ server 127.0.0.1:{application}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        listen 127.0.0.1:{tls} ssl reuseport;
        ssl_certificate {pems}/origin.pem;
        ssl_certificate_key {pems}/origin.key;
        ssl_client_certificate {pems}/ca.pem;
        ssl_verify_client optional;
        root {files};
        location = /get {{ return 200 "ok"; }}
        location = /healthy {{ return 204; }}
        location = /who {{ return 200 "{port}"; }}
        location = /mutual {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            return 200 "$ssl_client_s_dn";
        }}
        location = /told {{
            set $rules "$http_x_env|$http_x_file|$http_x_added|$http_x_unwanted|$http_under_score";
            set $client "$http_via|$http_x_forwarded_for|$http_x_forwarded_proto|$http_forwarded";
            return 200 "$rules|$client";
        }}
        location = /download {{ try_files /download.bin =404; limit_rate 200k; }}
        location = /chunked.txt {{ try_files /text.txt =404; sub_filter_types *; sub_filter "none" ""; }}
        location = /gzip.txt {{ try_files /text.txt =404; gzip on; gzip_proxied any; gzip_types *; }}
        location ~ ^/(post|echo|ws|events)$ {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_to_application;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_next_upstream off;
        }}
    }}
}}
"""


def free_port(taken: set[int]) -> int:
    """A port outside of those that the system gives to clients: it stays free while a server is down."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        if port in taken:
            continue
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        taken.add(port)
        return port


class SoakOrigin(Nginx):
    """One nginx on two ports of its own, plain and TLS."""

    def __init__(self, directory: Path, files: Files, application: int, taken: set[int]) -> None:
        super().__init__(directory)
        self.port, self.tls = free_port(taken), free_port(taken)
        self._configuration.write_text(
            _NGINX.format(
                user="root root" if os.geteuid() == 0 else "nobody",
                directory=directory,
                application=application,
                port=self.port,
                tls=self.tls,
                pems=files.pems,
                files=files.served,
            )
        )

    @property
    def tls_url(self) -> str:
        return f"https://127.0.0.1:{self.tls}"


class Files:
    """Certificates, and what the origins serve."""

    def __init__(self, directory: Path, host: str) -> None:
        self.pems, self.served = directory / "pems", directory / "served"
        self.pems.mkdir()
        self.served.mkdir()
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.pems / "ca.pem"))
        self._certificate("proxy", host, "localhost")
        self._certificate("origin", "origin.soak")
        self._certificate("client", "client.soak")
        (self.pems / "secret.txt").write_text(SECRETS[1] + "\n")
        self.large = random.Random(1).randbytes(8 * 1024 * 1024)
        self.text = b"".join(b"line %d of a text that is long enough\n" % n for n in range(5000))
        (self.served / "large.bin").write_bytes(self.large)
        (self.served / "text.txt").write_bytes(self.text)
        (self.served / "download.bin").write_bytes(PIECE * PIECES)

    def _certificate(self, name: str, *names: str) -> None:
        made = self._authority.issue_cert(*names, common_name=names[0])
        made.private_key_pem.write_to_path(str(self.pems / f"{name}.key"))
        for n, pem in enumerate(made.cert_chain_pems):
            pem.write_to_path(str(self.pems / f"{name}.pem"), append=n > 0)


@dataclass
class Application:
    """The small server. posted: how often it got each POST. spans: how many it was sent."""

    port: int = 0
    posted: Counter[int] = field(default_factory=Counter)
    spans: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=0)
        app.router.add_post("/post", self._post)
        app.router.add_post("/echo", self._digest)
        app.router.add_get("/events", self._events)
        app.router.add_get("/ws", self._echo)
        app.router.add_post("/v1/traces", self._traces)
        # Whoever leaves is a line with a traceback there; a mistake of its own is a 500 at the client.
        quiet = logging.getLogger("soak.application")
        quiet.setLevel(logging.CRITICAL)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, logger=quiet)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        await request.read()
        self.posted[int(request.query["n"])] += 1
        return web.Response(text="ok")

    async def _digest(self, request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        async for piece in request.content.iter_any():
            digest.update(piece)
        return web.Response(text=digest.hexdigest())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for n in range(EVENTS):
            await response.write(event(n))
            await asyncio.sleep(0.2)
        return response

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket

    async def _traces(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        self.spans += sum(len(scope.spans) for one in sent.resource_spans for scope in one.scope_spans)
        return web.Response()


def event(n: int) -> bytes:
    """One server-sent event."""
    return b"id: %d\ndata: the event %d\n\n" % (n, n)
