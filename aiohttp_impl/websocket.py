"""The upgrade: hands the connection over to the engine's tunnel."""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarding
from downstream_proxy.websocket import WebSocketTunnel
from downstream_proxy.websocket_handshake import switching_head

from .protocol import ProxyProtocol
from .sink import WrittenResponse


async def tunnel(request: web.Request, forwarding: Forwarding) -> web.StreamResponse:
    """Relay frames until either side ends. Needs the connection itself, so only ProxyProtocol can serve
    it."""
    protocol = request.protocol
    response = forwarding.upgraded
    assert response is not None
    if not isinstance(protocol, ProxyProtocol):
        response.abort()
        raise ProxyError(ErrorKind.UPGRADE_FAILED)
    forwarding.started()
    websocket = WebSocketTunnel(protocol.connection, response, forwarding.max_websocket_message)
    try:
        await websocket.run(switching_head(forwarding.headers))
    finally:
        forwarding.count(websocket.bytes_to_client)
    return WrittenResponse(101, keep_alive=False)
