"""The one handler: a web.Request in, the downstream's answer out. What happens between is the engine's.

An adapter owes four things: translate in (read_request), translate out (send_response), break off after the
head (ResponseWriter.abort), and stop when the client leaves (ProxyProtocol.client_gone cancels the handler).
"""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.forwarder import Forwarder, Forwarding
from downstream_proxy.http1.output import Output
from downstream_proxy.http1.response_writer import ResponseWriter
from downstream_proxy.message import IncomingRequest

from .protocol import ProxyProtocol
from .receive import received_request
from .sink import WrittenResponse
from .websocket import tunnel

FORWARDER = web.AppKey("forwarder", Forwarder)


async def proxy(request: web.Request) -> web.StreamResponse:
    """Forward one request."""
    writer = response_writer(request)
    forwarder = request.app[FORWARDER]
    async with forwarder.forward(read_request(request), writer) as forwarding:
        if forwarding.upgraded is not None:
            return await tunnel(request, forwarding)
        return await send_response(forwarding, writer)


def read_request(request: web.Request) -> IncomingRequest:
    """The request in the engine's terms; from aiohttp's own view of it when another protocol class serves."""
    protocol = request.protocol
    if isinstance(protocol, ProxyProtocol):
        return protocol.connection.incoming(protocol.head, protocol.body)
    return received_request(request)


def response_writer(request: web.Request) -> ResponseWriter:
    """What puts the answer on the wire. Raises ConnectionResetError when the client has left."""
    protocol, transport = request.protocol, request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    if isinstance(protocol, ProxyProtocol):
        return protocol.connection.writer(protocol.head)
    output = Output(transport, request.writer.drain)
    return ResponseWriter(
        transport,
        output,
        request.method.encode("ascii"),
        request.version.minor,
        bool(request.keep_alive),
    )


async def send_response(forwarding: Forwarding, writer: ResponseWriter) -> web.StreamResponse:
    """Write the answer as it comes."""
    await forwarding.relay(writer)
    return WrittenResponse(forwarding.status, writer.keep_alive)
