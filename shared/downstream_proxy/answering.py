"""Answers a request on a connection that nothing but the proxy serves, and tunnels after an upgrade.

What it is for: what both backends do once a request needs nothing of their framework, no middleware and no
other route.
What it must not know: the frameworks.
"""

from __future__ import annotations

from aiohttp import StreamReader

from .forwarder import Forwarder, Forwarding
from .http1.request_head import RequestHead
from .http1.server_connection import ServerConnection
from .websocket import WebSocketTunnel
from .websocket_handshake import switching_head


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
