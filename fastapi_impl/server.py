"""Serves the FastAPI application on given sockets until the process is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from downstream_proxy.admin_listener import admin_listener
from downstream_proxy.lifecycle import Life
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.runtime import Runtime
from downstream_proxy.server_tls import listener_tls
from downstream_proxy.settings import Settings
from downstream_proxy.signals import Signals
from fastapi import FastAPI

from .app import create_app
from .protocol import ProxyProtocol


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the order of a shutdown is downstream_proxy.lifecycle's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def stop_listening(self) -> None:
        for listener in self.servers:
            listener.close()


async def serve(
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket] = (),
    make_downstream: DownstreamFactory | None = None,
    runtime: Runtime | None = None,
    extend: Callable[[FastAPI], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain (see downstream_proxy.lifecycle).

    admin: sockets for `admin.listen`; without any they are bound here when it is set. make_downstream:
    another client library behind the Downstream seam; None for ours. runtime: where a reload's settings come
    from, and who is told; None for one without surroundings. extend: adds routes and middlewares of your own
    to the application before it starts; what they do not answer is forwarded.
    """
    with Signals().installed() as signals:
        app = create_app(settings, make_downstream)
        if extend is not None:
            extend(app)
        await _serve(app, settings, sockets, admin, signals, runtime or Runtime(settings))


async def _serve(
    app: FastAPI,
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket],
    signals: Signals,
    runtime: Runtime,
) -> None:
    config = uvicorn.Config(
        app,
        http=ProxyProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=settings.backlog,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = tls = listener_tls(settings)
    server = Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=sockets))
    ready = asyncio.ensure_future(server.ready.wait())
    try:
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            forwarder = app.state.forwarder
            async with admin_listener(forwarder, admin) as stop_admin:
                await Life(forwarder, runtime, signals, tls, server.stop_listening, stop_admin).run()
    finally:
        ready.cancel()
        server.should_exit = True
        await serving
        await app.state.forwarder.close()
