"""The upgrade: hands the connection over to the engine's tunnel."""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.answering import run_tunnel
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarding

from .protocol import ProxyProtocol
from .sink import WrittenResponse


async def tunnel(request: web.Request, forwarding: Forwarding) -> web.StreamResponse:
    """Relay frames until either side ends. Needs the connection itself, so only ProxyProtocol can serve
    it."""
    protocol = request.protocol
    if not isinstance(protocol, ProxyProtocol):
        assert forwarding.upgraded is not None
        forwarding.upgraded.abort()
        raise ProxyError(ErrorKind.UPGRADE_FAILED)
    await run_tunnel(protocol.connection, forwarding)
    return WrittenResponse(101, keep_alive=False)
