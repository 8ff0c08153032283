"""Serves the aiohttp application on given sockets until the process is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from aiohttp import web
from downstream_proxy.admin_listener import admin_listener
from downstream_proxy.lifecycle import Life
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.runtime import Runtime
from downstream_proxy.server_tls import listener_tls
from downstream_proxy.settings import Settings
from downstream_proxy.signals import Signals

from .app import create_app
from .handler import FORWARDER
from .lifespan import only_forwards
from .protocol import ProxyProtocol, unsupported


async def serve(
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket] = (),
    make_downstream: DownstreamFactory | None = None,
    runtime: Runtime | None = None,
    extend: Callable[[web.Application], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain (see downstream_proxy.lifecycle).

    admin: sockets for `admin.listen`; without any they are bound here when it is set. make_downstream:
    another client library behind the Downstream seam; None for ours. runtime: where a reload's settings come
    from, and who is told; None for one without surroundings. extend: adds routes and middlewares of your own
    to the application before it starts; what they do not answer is forwarded. Raises RuntimeError when the
    installed aiohttp cannot carry this backend.
    """
    if reason := unsupported():
        raise RuntimeError(reason)
    with Signals().installed() as signals:
        app = create_app(settings, make_downstream)
        if extend is not None:
            extend(app)
        await _serve(app, settings, sockets, admin, signals, runtime or Runtime(settings))


async def _serve(
    app: web.Application,
    settings: Settings,
    sockets: list[socket.socket],
    admin: Sequence[socket.socket],
    signals: Signals,
    runtime: Runtime,
) -> None:
    loop = asyncio.get_running_loop()
    forwarder = app[FORWARDER]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None

        direct = only_forwards(app)

        def make_protocol() -> ProxyProtocol:
            return ProxyProtocol(server, forwarder, loop, direct)

        tls = listener_tls(settings)
        listeners = [
            await loop.create_server(make_protocol, sock=sock, ssl=tls, backlog=settings.backlog)
            for sock in sockets
        ]

        def stop_listening() -> None:
            for listener in listeners:
                listener.close()

        async with admin_listener(forwarder, admin) as stop_admin:
            await Life(forwarder, runtime, signals, tls, stop_listening, stop_admin).run()
    finally:
        await runner.cleanup()
