"""The listener at `admin.listen`: the proxy's own endpoints on an address of their own, the same in both
backends.

What it is for: reading requests with the engine's ServerConnection and writing what Admin answers, apart from
the traffic: not counted among its requests, not logged, not refused when the proxy is full, and open until
the last request is done, so that a drain can be watched.
What it must not know: the frameworks, single endpoints.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

from aiohttp import StreamReader

from .answer import Answer, write
from .connections import Connections
from .errors import ErrorKind, ProxyError
from .forwarder import Forwarder
from .http1.request_head import RequestHead
from .http1.server_connection import ServerConnection
from .http1.server_rules import ConnectionRules
from .listener import bind_admin
from .message import IncomingRequest
from .problem import problem

logger = logging.getLogger("downstream_proxy")

MAX_CONNECTIONS = 128
"""Scrapers, probes and viewers; one over it is closed unheard."""


@asynccontextmanager
async def admin_listener(
    forwarder: Forwarder, sockets: Sequence[socket.socket] = ()
) -> AsyncIterator[Callable[[], None]]:
    """Answer at `admin.listen` while the block runs; nothing is done when that is not set. Yields what ends
    it early, for when another process answers there.

    sockets: listening ones that the parent process has bound; without any they are bound here, which raises
    ListenError.
    """
    settings = forwarder.state.settings
    if settings.admin.listen is None:
        yield lambda: None
        return
    loop = asyncio.get_running_loop()
    connections = Connections()
    # Bytes that never became a request are no traffic either.
    rules = replace(forwarder.state.rules, on_refusal=lambda _error, _peer: None)
    servers = [
        await loop.create_server(lambda: _AdminProtocol(forwarder, rules, connections, loop), sock=sock)
        for sock in sockets or bind_admin(settings)
    ]

    def leave() -> None:
        for server in servers:
            server.close()
        connections.end(forwarder.state.settings.timeouts.shutdown_idle)

    try:
        yield leave
    finally:
        for server in servers:
            server.close()
        connections.abort()


class _AdminProtocol(asyncio.Protocol):
    """One connection. Implements ConnectionOwner."""

    def __init__(
        self,
        forwarder: Forwarder,
        rules: ConnectionRules,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._forwarder = forwarder
        self._rules = rules
        self._connections = connections
        self._loop = loop
        self._connection: ServerConnection | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        stream = cast(asyncio.Transport, transport)
        if len(self._connections) >= MAX_CONNECTIONS:
            stream.abort()
            return
        self._connection = ServerConnection(self, self._rules, self._connections, stream, self._loop)

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.data_received(data)

    def eof_received(self) -> None:
        if self._connection is not None:
            self._connection.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._connection is not None:
            self._connection.connection_lost()

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.writing_paused()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.writing_resumed()

    # --- ConnectionOwner

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        assert self._connection is not None
        self._task = self._loop.create_task(self._respond(self._connection, head, body))

    def client_gone(self, error: ProxyError | None = None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _respond(
        self, connection: ServerConnection, head: RequestHead, body: StreamReader | None
    ) -> None:
        writer = connection.writer(head)
        answer = self._answer(connection.incoming(head, body))
        await write(answer, head.method, writer, lambda _size: None)
        connection.response_done(writer.keep_alive)

    def _answer(self, request: IncomingRequest) -> Answer:
        try:
            return self._forwarder.state.admin.answer_apart(request)
        except ProxyError as error:
            return problem(error)
        except Exception:
            logger.exception("a fault of the proxy")
            return problem(ProxyError(ErrorKind.INTERNAL))
