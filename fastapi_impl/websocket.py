"""The upgrade: hands the connection over to the engine's tunnel."""

from __future__ import annotations

from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarding
from downstream_proxy.websocket import WebSocketTunnel
from downstream_proxy.websocket_handshake import switching_head
from starlette.types import Receive, Send

from .protocol import Cycle


async def tunnel(forwarding: Forwarding, cycle: Cycle | None) -> None:
    """Relay frames until either side ends. Needs the connection itself, so only ProxyProtocol can serve
    it."""
    response = forwarding.upgraded
    assert response is not None
    if cycle is None:
        response.abort()
        raise ProxyError(ErrorKind.UPGRADE_FAILED)
    forwarding.started()
    cycle.writer.started = cycle.writer.ended = True
    cycle.writer.keep_alive = False
    websocket = WebSocketTunnel(cycle.connection, response, forwarding.max_websocket_message)
    try:
        await websocket.run(switching_head(forwarding.headers))
    finally:
        forwarding.count(websocket.bytes_to_client)


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Another server has taken the handshake out of our hands; ASGI's way to refuse it is a close before
    accept."""
    await receive()
    await send({"type": "websocket.close", "code": 1011})
