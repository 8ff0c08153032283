"""Ready-made scripts for the origin. They must not know what is under test."""

from __future__ import annotations

from .origin import Connection, Handler
from .recorded import Request


def reply(data: bytes, *, close: bool = False, reset: bool = False, read: bool = True) -> Handler:
    """Reads the request, sends these bytes, and then keeps, closes or resets the connection."""

    async def handler(conn: Connection, request: Request) -> None:
        if read:
            await request.read()
        await conn.send(data)
        if reset:
            conn.reset()
        elif close:
            conn.close()

    return handler


def ok(body: bytes = b"", *fields: bytes) -> bytes:
    """A 200 response with a length and these field lines."""
    lines = b"".join(line + b"\r\n" for line in (b"Content-Length: %d" % len(body), *fields))
    return b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + body


async def stall(conn: Connection, request: Request) -> None:
    """Reads what comes and never answers, until the other side leaves."""
    await conn.gone()
