"""The one handler: a web.Request in, the downstream's answer out. What happens between is the engine's.

An adapter owes four things: translate in (read_request), translate out (send_response), break off after the
head (ResponseWriter.abort), and stop when the client leaves (ProxyProtocol.client_gone cancels the handler).
"""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.forwarder import Forwarder, Forwarding
from downstream_proxy.http1.response_writer import ResponseWriter
from downstream_proxy.message import IncomingRequest

from .protocol import ProxyProtocol
from .receive import received_request
from .sink import WrittenResponse
from .websocket import tunnel

FORWARDER = web.AppKey("forwarder", Forwarder)


async def proxy(request: web.Request) -> web.StreamResponse:
    """Forward one request."""
    incoming = read_request(request)
    async with request.app[FORWARDER].forward(incoming) as forwarding:
        if forwarding.upgraded is not None:
            return await tunnel(request, forwarding)
        return await send_response(request, forwarding)


def read_request(request: web.Request) -> IncomingRequest:
    """The request in the engine's terms; from aiohttp's own view of it when another protocol class serves."""
    protocol = request.protocol
    if isinstance(protocol, ProxyProtocol):
        return protocol.connection.incoming(protocol.head, protocol.body)
    return received_request(request)


async def send_response(request: web.Request, forwarding: Forwarding) -> web.StreamResponse:
    """Write the answer as it comes."""
    protocol = request.protocol
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    keep_alive = request.keep_alive
    if isinstance(protocol, ProxyProtocol):
        keep_alive = keep_alive and protocol.connection.may_keep_alive
    writer = ResponseWriter(
        transport, request.writer.drain, forwarding.request.method, forwarding.request.minor, keep_alive
    )
    await forwarding.relay(writer)
    return WrittenResponse(forwarding.status, writer.keep_alive)
