"""The one handler: an ASGI request in, the downstream's answer out. What happens between is the engine's.

An adapter owes four things: translate in (read_request), translate out (send_response), break off after the
head (AsgiSink.abort), and stop when the client leaves (Cycle.client_gone cancels the handler). A plain ASGI
endpoint and not a path operation with StreamingResponse: that would merge header fields, call receive() under
a running upload and miss some of the ways in which a client leaves.
"""

from __future__ import annotations

from downstream_proxy.forwarder import Forwarder, Forwarding
from downstream_proxy.message import IncomingRequest
from starlette.types import Receive, Scope, Send

from .protocol import EXTENSION, Cycle
from .receive import received_request, until_gone
from .sink import AsgiSink, CutOffError
from .websocket import refuse_websocket, tunnel


async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
    """Forward one request."""
    if scope["type"] == "websocket":
        await refuse_websocket(receive, send)
        return
    forwarder: Forwarder = scope["app"].state.forwarder
    cycle: Cycle | None = scope.get("extensions", {}).get(EXTENSION)
    incoming = read_request(scope, receive, cycle)
    if cycle is None:
        await until_gone(_forward(forwarder, incoming, send, None), incoming.body, receive)
    else:
        cycle.cancel_when_gone = True
        await _forward(forwarder, incoming, send, cycle)


async def _forward(forwarder: Forwarder, incoming: IncomingRequest, send: Send, cycle: Cycle | None) -> None:
    async with forwarder.forward(incoming) as forwarding:
        if forwarding.upgraded is not None:
            await tunnel(forwarding, cycle)
        else:
            await send_response(forwarding, send, cycle)


def read_request(scope: Scope, receive: Receive, cycle: Cycle | None) -> IncomingRequest:
    """The request in the engine's terms; from ASGI's view of it when another protocol class serves."""
    if cycle is not None:
        return cycle.connection.incoming(cycle.head, cycle.body)
    return received_request(scope, receive)


async def send_response(forwarding: Forwarding, send: Send, cycle: Cycle | None) -> None:
    """Write the answer as it comes."""
    sink = AsgiSink(send, cycle)
    await forwarding.relay(sink)
    if sink.cut_off:
        raise CutOffError
