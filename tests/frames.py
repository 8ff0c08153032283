"""WebSocket frames as bytes (RFC 6455 5), for both ends of the suite. It must not know what is under test."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Awaitable, Callable

from .origin import Connection, Handler
from .recorded import Request

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x12\x34\x56\x78"


def accept(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that belongs to a key."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = False, rsv: int = 0
) -> bytes:
    size = len(payload)
    head = bytes([(0x80 if final else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    repeated = (MASK * (size // 4 + 1))[:size]
    return (
        head + MASK + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    )


def close(code: int | None = None, reason: bytes = b"", *, masked: bool = False) -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason, masked=masked)


def read_frame(read_exactly: Callable[[int], bytes]) -> tuple[int, bytes]:
    """Opcode and unmasked payload of the next frame."""
    first, second = read_exactly(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(read_exactly(2 if size == 126 else 8), "big")
    mask = read_exactly(4) if second & 0x80 else b""
    payload = read_exactly(size)
    if mask:
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return first & 0x0F, payload


def frames_in(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and unmasked payload of each whole frame in `data`."""
    stream = io.BytesIO(data)
    found = []
    while stream.tell() < len(data):
        try:
            found.append(read_frame(stream.read))
        except (ValueError, IndexError):  # a frame that is cut
            break
    return found


def upgrade(request: Request, *fields: bytes) -> bytes:
    """The 101 that accepts a handshake."""
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept(request.all(b"sec-websocket-key")[0]),
        *fields,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


After = Callable[[Connection], Awaitable[None]]


def accepting(after: After | None = None, *fields: bytes) -> Handler:
    """A script that accepts, runs `after` and then reads until the other side leaves."""

    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(upgrade(request, *fields))
        if after is not None:
            await after(conn)
        await conn.gone()

    return handler
