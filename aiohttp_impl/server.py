"""Serves the aiohttp application on given sockets until the process is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from aiohttp import web
from downstream_proxy.admin_listener import admin_listener
from downstream_proxy.lifecycle import StopSignals, serve_until_stopped
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.server_tls import server_context
from downstream_proxy.settings import Settings

from .app import create_app
from .handler import FORWARDER
from .protocol import ProxyProtocol


async def serve(
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket] = (),
    make_downstream: DownstreamFactory | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain (see downstream_proxy.lifecycle).

    admin: sockets for `admin.listen`; without any they are bound here when it is set. make_downstream:
    another client library behind the Downstream seam; None for ours.
    """
    with StopSignals().installed() as signals:
        await _serve(create_app(settings, make_downstream), settings, sockets, admin, signals)


async def _serve(
    app: web.Application,
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket],
    signals: StopSignals,
) -> None:
    loop = asyncio.get_running_loop()
    forwarder = app[FORWARDER]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None

        def make_protocol() -> ProxyProtocol:
            return ProxyProtocol(server, forwarder, loop)

        tls = server_context(settings)
        listeners = [
            await loop.create_server(make_protocol, sock=sock, ssl=tls, backlog=settings.backlog)
            for sock in sockets
        ]

        def stop_listening() -> None:
            for listener in listeners:
                listener.close()

        async with admin_listener(forwarder, admin):
            await serve_until_stopped(forwarder, signals, stop_listening)
    finally:
        await runner.cleanup()
