"""Origins that misbehave: each fault is a behaviour of the lab, with the content that a right answer has.

It must not know what a proxy has to make of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .handshake import SWITCHING
from .lab import Visit


def content(n: int, size: int) -> bytes:
    """What answers request `n`: no two are alike, so a byte of another's answer shows."""
    piece = b"%d " % n
    return (piece * (size // len(piece) + 1))[:size]


def _head(length: int | None) -> bytes:
    framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


Fault = Callable[[Visit, bytes], Awaitable[None]]


async def right(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(len(body)) + body)


async def right_chunked(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(None) + chunk(body) + b"0\r\n\r\n")


async def drip(visit: Visit, body: bytes) -> None:
    await visit.body()
    visit.write(_head(None))
    for at in range(0, len(body), len(body) // 4 + 1):
        await visit.quiet(0.02)
        visit.write(chunk(body[at : at + len(body) // 4 + 1]))
    visit.write(b"0\r\n\r\n")


async def drip_head(visit: Visit, body: bytes) -> None:
    await visit.body()
    for byte in _head(len(body)):
        visit.write(bytes((byte,)))
        await visit.quiet(0.05)


async def reset_before(visit: Visit, body: bytes) -> None:
    visit.conn.reset()


async def close_before(visit: Visit, body: bytes) -> None:
    await visit.body()
    visit.conn.close()


async def reset_in_head(visit: Visit, body: bytes) -> None:
    await visit.send(_head(len(body))[:20])
    visit.conn.reset()


async def reset_in_body(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(len(body)) + body[:-1])
    visit.conn.reset()


async def cut_length(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(len(body)) + body[:-1])
    visit.conn.close()


async def cut_chunks(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(None) + chunk(body))
    visit.conn.close()


async def too_long(visit: Visit, body: bytes) -> None:
    """More than announced, in one segment: bytes that come later can meet the next request unnoticed."""
    await visit.body()
    if len(body) > 5_000:
        await visit.send(_head(len(body)) + body)
        return
    await visit.send(_head(len(body)) + body + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")


async def wrong_chunks(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(None) + chunk(body) + b"zz\r\n")
    await visit.conn.gone.wait()


async def garbage(visit: Visit, body: bytes) -> None:
    visit.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await visit.conn.gone.wait()


async def two_lengths(visit: Visit, body: bytes) -> None:
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
    await visit.conn.gone.wait()


async def stall_head(visit: Visit, body: bytes) -> None:
    await visit.conn.gone.wait()


async def stall_body(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(_head(len(body)) + body[: len(body) // 2])
    await visit.conn.gone.wait()


async def early(visit: Visit, body: bytes) -> None:
    """Answers before the request's body was there, and goes on reading it."""
    await visit.send(_head(len(body)) + body)


async def early_close(visit: Visit, body: bytes) -> None:
    await visit.send(_head(len(body)) + body)
    visit.conn.close()


async def until_close(visit: Visit, body: bytes) -> None:
    await visit.body()
    await visit.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
    visit.conn.close()


RIGHT: tuple[Fault, ...] = (right, right_chunked, drip, until_close, early, too_long)
"""A complete answer to these must be the right one."""

BROKEN: tuple[Fault, ...] = (
    drip_head,
    reset_before,
    close_before,
    reset_in_head,
    reset_in_body,
    cut_length,
    cut_chunks,
    wrong_chunks,
    garbage,
    two_lengths,
    stall_head,
    stall_body,
    early_close,
)
"""Most of these can have no complete answer; early_close may."""


async def tunnel(visit: Visit, body: bytes) -> None:
    """A WebSocket that says hello, and ends with the downstream now and then."""
    visit.write(SWITCHING)
    await visit.quiet(0.02)
    if visit.n % 2:
        visit.conn.close()
    await visit.conn.gone.wait()


FAULTS = {fault.__name__: fault for fault in (*RIGHT, *BROKEN, tunnel)}
