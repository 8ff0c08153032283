"""The one handler: an ASGI request in, the downstream's answer out. What happens between is the engine's.

An adapter owes four things: translate in (read_request), translate out (send_response), break off after the
head (AsgiSink.abort), and stop when the client leaves (Cycle.client_gone cancels the handler). A plain ASGI
endpoint and not a path operation with StreamingResponse: that would merge header fields, call receive() under
a running upload and miss some of the ways in which a client leaves.
"""

from __future__ import annotations

from downstream_proxy.forwarder import Forwarder, Forwarding
from downstream_proxy.message import Body, IncomingRequest
from starlette.types import Receive, Scope, Send

from .protocol import EXTENSION, Cycle
from .receive import ReceivedBody, until_gone
from .sink import AsgiSink, CutOffError
from .websocket import refuse_websocket, tunnel


async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
    """Forward one request."""
    if scope["type"] == "websocket":
        await refuse_websocket(receive, send)
        return
    forwarder: Forwarder = scope["app"].state.forwarder
    cycle: Cycle | None = scope.get("extensions", {}).get(EXTENSION)
    if cycle is None:
        body = ReceivedBody.of(scope, receive)
        await until_gone(_forward(forwarder, read_request(scope, body), send, None), body, receive)
    else:
        cycle.cancel_when_gone = True
        await _forward(forwarder, cycle.connection.incoming(cycle.head, cycle.body), send, cycle)


async def _forward(forwarder: Forwarder, incoming: IncomingRequest, send: Send, cycle: Cycle | None) -> None:
    async with forwarder.forward(incoming) as forwarding:
        if forwarding.upgraded is not None:
            await tunnel(forwarding, cycle)
        else:
            await send_response(forwarding, send, cycle)


def read_request(scope: Scope, body: Body | None) -> IncomingRequest:
    """The request in the engine's terms, from ASGI's view of it, when another protocol class serves."""
    query = scope.get("query_string", b"")
    headers = list(scope["headers"])
    target: bytes = scope.get("raw_path") or scope["path"].encode()
    length = next((int(value) for name, value in headers if name == b"content-length"), None)
    client = scope.get("client")
    return IncomingRequest(
        method=scope["method"].encode("ascii"),
        target=target + b"?" + query if query else target,
        headers=headers,
        host=next((value for name, value in headers if name == b"host"), b""),
        minor=0 if scope["http_version"] == "1.0" else 1,
        body=body,
        content_length=length,
        peer=client[0] if client else "",
        scheme=scope["scheme"].encode("ascii"),
    )


async def send_response(forwarding: Forwarding, send: Send, cycle: Cycle | None) -> None:
    """Write the answer as it comes."""
    sink = AsgiSink(send, cycle)
    await forwarding.relay(sink)
    if sink.cut_off:
        raise CutOffError
