"""The upgrade: hands the connection over to the engine's tunnel."""

from __future__ import annotations

from downstream_proxy.answering import run_tunnel
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarding
from starlette.types import Receive, Send

from .protocol import Cycle


async def tunnel(forwarding: Forwarding, cycle: Cycle | None) -> None:
    """Relay frames until either side ends. Needs the connection itself, so only ProxyProtocol can serve
    it."""
    if cycle is None:
        assert forwarding.upgraded is not None
        forwarding.upgraded.abort()
        raise ProxyError(ErrorKind.UPGRADE_FAILED)
    cycle.writer.started = cycle.writer.ended = True
    cycle.writer.keep_alive = False
    await run_tunnel(cycle.connection, forwarding)


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Another server has taken the handshake out of our hands; ASGI's way to refuse it is a close before
    accept."""
    await receive()
    await send({"type": "websocket.close", "code": 1011})
