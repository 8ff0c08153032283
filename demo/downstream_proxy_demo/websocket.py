"""The WebSocket echo: messages come back as they went, and `close 4001 bye` makes it close with that."""

from __future__ import annotations

import re

from aiohttp import WSMsgType, web

from .bounds import MIB
from .endpoint import Endpoint

SUBPROTOCOLS = ("echo.demo", "chat")
MAX_MESSAGE = 16 * MIB

_CLOSE = re.compile(r"close ([0-9]{4})(?: ([^\r\n]{1,60}))?\Z")


def may_be_sent(code: int) -> bool:
    """Whether a Close frame may carry `code` (RFC 6455, 7.4: 1004, 1005, 1006, 1015 never do)."""
    return code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code <= 4999


async def websocket(request: web.Request) -> web.StreamResponse:
    """Echoes until the client closes. The subprotocol is the first of the client's that is known here."""
    socket = web.WebSocketResponse(protocols=SUBPROTOCOLS, max_msg_size=MAX_MESSAGE)
    if not socket.can_prepare(request):
        return web.Response(
            status=426,
            text="this endpoint speaks WebSocket\n",
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            order = _CLOSE.match(message.data)
            if order and may_be_sent(int(order[1])):
                await socket.close(code=int(order[1]), message=(order[2] or "").encode())
            else:
                await socket.send_str(message.data)
    return socket


ENDPOINTS = (Endpoint(("GET",), "/ws", websocket, "/ws", "WebSocket echo; try: close 4001 bye", opens=False),)
