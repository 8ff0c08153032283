"""What the WebSocket tests share: a handshake, an open tunnel, and what the origin got through it."""

from __future__ import annotations

from collections.abc import Callable

from ..frames import CLOSE, KEY, After, accepting, close, frames_in
from ..origin import Connection
from ..wire import Client
from .lab import Lab, get


def handshake(
    target: bytes, *fields: bytes, version: bytes = b"13", key: bytes = KEY, method: bytes = b"GET"
) -> bytes:
    own = (b"Upgrade: websocket", b"Connection: keep-alive, Upgrade")
    return get(
        target,
        *own,
        b"Sec-WebSocket-Key: " + key,
        b"Sec-WebSocket-Version: " + version,
        *fields,
        method=method,
    )


async def answer_close(conn: Connection) -> None:
    """Reads until a close frame, answers it and ends the connection, as servers do (RFC 6455 7.1.1)."""
    seen = b""
    while data := await conn.read():
        seen += data
        if any(opcode == CLOSE for opcode, _ in frames_in(seen)):
            await conn.send(close())
            conn.close()
            return


def open_tunnel(proxy: Lab, after: After | None = None, target: bytes = b"/ws") -> Client:
    """A client behind the 101; at the origin `after` runs."""
    proxy.origin.script(target, accepting(after))
    client = proxy.send(handshake(target))
    assert client.read_head().status == 101
    return client


async def mirror(conn: Connection) -> None:
    """Sends all bytes back as they came."""
    while data := await conn.read():
        await conn.send(data)


def tunnelled(proxy: Lab, target: bytes = b"/ws") -> tuple[Connection, Callable[[], bytes]]:
    """The origin's connection, and what it has received behind the handshake."""
    request = proxy.origin.seen(target)[0]
    return request.conn, lambda: bytes(request.conn.received).rpartition(request.head)[2]
