"""Many clients at once, each request with a token that nobody else may see. It must not judge the proxy.

Every token is in the request's path, cookie, credentials and body; the downstream sends back what it saw.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from ..origin import Connection, Handler, Origin
from ..parse import Framing, parse_head
from ..recorded import Request

TOKEN = re.compile(rb"T[0-9a-f]{16}")
_FILLER = b"." * 50
LEAVES = ("before the answer", "in the upload", "in the answer")  # how a client leaves early


@dataclass
class Tally:
    """What became of the requests, and everything that was wrong."""

    whole: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)


def request_of(rng: Random, token: bytes) -> tuple[bytes, bytes]:
    """One of the kinds of request, and its body without framing."""
    method = rng.choice((b"GET", b"POST", b"POST", b"PUT"))
    body = token + b"".join(token + _FILLER for _ in range(rng.choice((0, 1, 10, 400))))
    head = b"%b /%b/%b?%b HTTP/1.1\r\nHost: localhost\r\nCookie: sid=%b\r\nAuthorization: Bearer %b\r\n" % (
        method,
        rng.choice((b"length", b"chunked", b"close", b"slow", b"big")),
        token,
        token,
        token,
        token,
    )
    if rng.random() < 0.5:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, body
    cut = rng.randrange(1, len(body))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]))
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", body


async def mirror(conn: Connection, request: Request) -> None:
    """Sends back all that was seen, in the manner that the path asks for, with a cookie of its own."""
    found = set(TOKEN.findall(request.head + await request.read()))
    if len(found) != 1:
        raise ValueError(f"a request with {len(found)} tokens: {bytes(request.raw[:2000])!r}")
    token, seen = found.pop(), request.head + request.body
    how = request.target.split(b"/")[1]
    if how == b"big":
        seen += (token + _FILLER) * 3000
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=%b; Path=/\r\nX-Token: %b\r\n" % (token, token)
    if how == b"chunked":
        half = len(seen) // 2
        parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (seen[:half], seen[half:]))
        await conn.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n")
    elif how == b"close":
        await conn.send(head + b"Connection: close\r\n\r\n" + seen)
        conn.close()
    elif how == b"slow":
        await conn.send(head + b"Content-Length: %d\r\n\r\n" % len(seen) + seen[:100])
        await asyncio.sleep(0)
        await conn.send(seen[100:])
    else:
        await conn.send(head + b"Content-Length: %d\r\n\r\n" % len(seen) + seen)


class MirrorOrigin(Origin):
    """Mirrors every request."""

    def find(self, target: bytes) -> Handler:
        return mirror

    def notify(self) -> None:
        """Nobody waits for events of this one."""


async def crowd(address: tuple[str, int], requests: int, lanes: int, seed: str) -> Tally:
    """Sends so many requests over so many connections at a time; about one in four clients leaves early."""
    tally = Tally()
    numbers = iter(range(requests))
    await asyncio.gather(*(_Lane(address, Random(f"{seed} {n}"), tally).run(numbers) for n in range(lanes)))
    return tally


class _Lane:
    """One client connection at a time, kept as long as it is good."""

    def __init__(self, address: tuple[str, int], rng: Random, tally: Tally) -> None:
        self._address = address
        self._rng = rng
        self._tally = tally
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, numbers: Iterator[int]) -> None:
        for _ in numbers:
            await self._one()
        self._drop()

    async def _one(self) -> None:
        rng = self._rng
        token = b"T%016x" % rng.getrandbits(64)
        raw, body = request_of(rng, token)
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address, limit=2**20)
        assert self._reader is not None
        how = rng.choice(LEAVES) if rng.random() < 0.25 else ""
        self._writer.write(raw[: rng.randrange(1, len(raw))] if how == "in the upload" else raw)
        got = bytearray()
        if not how:
            await self._whole(token, body, got)
        else:
            if how == "in the answer":
                got += await self._reader.read(rng.choice((1, 100, 5000)))
            elif rng.random() < 0.7:
                # Long enough for the request to be on its way, by more or less.
                for _ in range(rng.randrange(30)):
                    await asyncio.sleep(0)
            self._tally.left += 1
            self._drop(reset=rng.random() < 0.5)
        if strangers := {t for t in TOKEN.findall(got) if t != token}:
            self._tally.wrong.append(f"{token!r} got bytes of {strangers!r}: {bytes(got[:1500])!r}")

    async def _whole(self, token: bytes, body: bytes, got: bytearray) -> None:
        """Reads the whole answer and checks that it is the one to this request."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(15):
                head = await self._reader.readuntil(b"\r\n\r\n")
                got += head
                line, headers = parse_head(head)
                framing = Framing.of(headers, request=False)
                while not framing.done:
                    data = await self._reader.read(2**18)
                    got += data
                    if not data:
                        framing.end()
                    elif framing.feed(data):
                        self._tally.wrong.append(f"{token!r} got more than one answer")
        except Exception as error:
            self._tally.wrong.append(f"{token!r} got no whole answer: {error!r}: {bytes(got[:1500])!r}")
            self._drop()
            return
        content = bytes(framing.data)
        seen_head, _, rest = content.partition(b"\r\n\r\n")
        own = {
            "status": line == b"HTTP/1.1 200 OK",
            "cookie set": (b"Set-Cookie", b"sid=%b; Path=/" % token) in headers,
            "path": token in seen_head.partition(b"\r\n")[0],
            "cookie": seen_head.count(b"Cookie: ") == 1
            and b"Cookie: sid=%b\r\n" % token in seen_head + b"\r\n",
            "credentials": b"Authorization: Bearer %b\r\n" % token in seen_head + b"\r\n",
            "body": rest.startswith(body),
        }
        wrong = [name for name, right in own.items() if not right]
        if wrong:
            self._tally.wrong.append(f"{token!r} got another {wrong}: {line!r} {content[:1500]!r}")
        self._tally.whole += 1
        if (b"Connection", b"close") in headers:
            self._drop()

    def _drop(self, *, reset: bool = False) -> None:
        if self._writer is None:
            return
        if reset:
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self._reader = self._writer = None
