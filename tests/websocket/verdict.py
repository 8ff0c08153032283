"""What a server makes of a case, as a client sees it. It must not know whether a proxy is in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from ..frames import KEY, TEXT, close, frame
from .cases import Case

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: echo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
SECONDS = 10.0
AT_ONCE = 16
LAST = b"that was all"
"""The client's last message, unless it ends the case itself. It says Close when this has come back, so that
the echoes before it do not race with the Close."""


@dataclass(frozen=True)
class Verdict:
    """frames: first byte, size and digest of each frame received. code: of the Close frame, None without one.

    end: `end` for an orderly end of the stream or a reset behind the last frame, `cut` inside a frame, `open`
    when nothing ended.
    """

    frames: tuple[tuple[int, int, str], ...]
    code: int | None
    end: str

    def same(self, other: Verdict) -> bool:
        """Equal; but where the server fails the connection, how many echoes it still got out before that is
        chance: then one may have more of the same echoes than the other."""
        if self.code not in (1002, 1007):
            return self == other
        fewer, more = sorted((self.frames[:-1], other.frames[:-1]), key=len)
        alike = (self.code, self.end, self.frames[-1:]) == (other.code, other.end, other.frames[-1:])
        return alike and more[: len(fewer)] == fewer


async def _read(case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Verdict:
    frames: list[tuple[int, int, str]] = []
    code: int | None = None
    head = b""
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                head = b""
                head = await reader.readexactly(1)
                size = (await reader.readexactly(1))[0]
                if size > 125:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
                payload = await reader.readexactly(size)
                frames.append((head[0], size, sha256(payload).hexdigest()[:16]))
                if case.half_closes and len(frames) == 1:
                    writer.write_eof()
                if payload == LAST:
                    writer.write(close(1000, masked=True))
                if head[0] & 15 == 8:
                    code = int.from_bytes(payload[:2], "big") if payload else 1005
    except (asyncio.IncompleteReadError, ConnectionError):
        return Verdict(tuple(frames), code, "cut" if head else "end")
    except TimeoutError:
        return Verdict(tuple(frames), code, "open")


async def judge(port: int, case: Case) -> Verdict:
    """Run one case against the server on this port of the loopback address."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(HANDSHAKE)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        assert head.startswith(b"HTTP/1.1 101 "), head
        reading = asyncio.ensure_future(_read(case, reader, writer))
        data = case.data + (frame(TEXT, LAST, masked=True) if case.ends else b"")
        step = case.chop or len(data)
        with suppress(ConnectionError):
            for at in range(0, len(data), step or 1):
                writer.write(data[at : at + step])
                await writer.drain()
                if case.chop:
                    # Lets the piece leave on its own.
                    await asyncio.sleep(0)
        return await reading
    finally:
        writer.transport.abort()


async def judge_all(port: int, cases: Sequence[Case]) -> list[Verdict]:
    """Run cases side by side; the verdicts in their order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Verdict:
        async with places:
            return await judge(port, case)

    return await asyncio.gather(*(one(case) for case in cases))
