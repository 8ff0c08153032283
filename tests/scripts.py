"""Ready-made scripts for the origin. They must not know what is under test."""

from __future__ import annotations

from .gate import Gate
from .origin import Connection, Handler, Origin
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
    await request.read()
    await conn.gone()


def stepwise(origin: Origin, *pieces: bytes, close: bool = False) -> tuple[Handler, list[Gate]]:
    """A script that sends the first piece at once and each further one when its gate opens; and the gates."""
    gates = [origin.gate() for _ in pieces[1:]]

    async def handler(conn: Connection, request: Request) -> None:
        await request.read()
        await conn.send(pieces[0])
        for gate, piece in zip(gates, pieces[1:], strict=True):
            await gate.wait()
            await conn.send(piece)
        if close:
            conn.close()

    return handler, gates
