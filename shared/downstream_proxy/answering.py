"""Answers a request on a connection that nothing but the proxy serves, and tunnels after an upgrade.

What it is for: what both backends do once a request needs nothing of their framework, no middleware and no
other route.
What it must not know: the frameworks.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import StreamReader

from .forwarder import Forwarder, Forwarding
from .http1.request_head import RequestHead
from .http1.server_connection import ServerConnection
from .websocket import WebSocketTunnel
from .websocket_handshake import switching_head

logger = logging.getLogger("downstream_proxy")


class Answerer:
    """Answers the requests of one connection, one after the other, all in one task.

    A context variable that is set for one request would stay set for the next; nothing here sets any.
    """

    __slots__ = ("_connection", "_forwarder", "_loop", "_lost", "_next", "_waiter")

    def __init__(
        self, forwarder: Forwarder, connection: ServerConnection, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._forwarder = forwarder
        self._connection = connection
        self._loop = loop
        self._next: tuple[RequestHead, StreamReader | None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        """Answer this one next. The connection gives none before the last is answered."""
        self._next = (head, body)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def connection_lost(self) -> None:
        """There will be no next request. One that is being answered ends by its own task's cancellation."""
        self._lost = True
        if self._waiter is not None:
            self._waiter.cancel()

    async def run(self) -> None:
        """Until it is cancelled, or the connection is of no more use."""
        forwarder, connection = self._forwarder, self._connection
        try:
            while True:
                if self._next is None:
                    if self._lost:
                        # While the last answer lingered.
                        return
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                assert self._next is not None
                head, body = self._next
                self._next = None
                await answer(forwarder, connection, head, body)
        except asyncio.CancelledError:
            connection.abort()
            raise
        except ConnectionError:
            # The client has left, and the engine knows.
            connection.abort()
        except Exception:
            logger.exception("a fault of the proxy")
            connection.abort()


async def answer(
    forwarder: Forwarder, connection: ServerConnection, head: RequestHead, body: StreamReader | None
) -> None:
    """Forward one request and write its answer. Raises ConnectionError when the client has left."""
    writer = connection.writer(head)
    async with forwarder.forward(connection.incoming(head, body), writer) as forwarding:
        if forwarding.upgraded is not None:
            await run_tunnel(connection, forwarding)
            writer.keep_alive = False
        else:
            await forwarding.relay(writer)
    connection.response_done(writer.keep_alive)
    if connection.lingering:
        await connection.lingered()


async def run_tunnel(connection: ServerConnection, forwarding: Forwarding) -> None:
    """Relay frames between the client and the downstream that switched protocols, until either side ends."""
    response = forwarding.upgraded
    assert response is not None
    forwarding.started()
    websocket = WebSocketTunnel(connection, response, forwarding.max_websocket_message)
    try:
        await websocket.run(switching_head(forwarding.headers))
    finally:
        forwarding.count(websocket.bytes_to_client)
