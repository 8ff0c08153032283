"""Steady traffic of all kinds, of which each request is accounted for.

A request is lost when its client gets anything but the whole right answer: a refused or reset connection, an
end without an answer, another status, wrong content. Clients do what the standard allows and no more: they
open a new connection when the old one was closed while they had nothing on it, and send nothing twice.

It must not know what is under test, nor what happens to it meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ..reliability.caller import Caller, CutError, get, post
from ..reliability.lab import Lab, Visit
from .resting import Resting

PIECES, PIECE = 30, b"d" * 20_000
ROUTES = """
[downstreams.site]
url = "http://$ORIGIN"
response_headers.set = { X-Generation = "$GENERATION" }
[downstreams.sockets]
url = "http://127.0.0.1:$SOCKETS"
prefix = "/ws"
"""


@dataclass
class Tally:
    """What became of the traffic, by kind of client."""

    seconds: float = 0.0
    answered: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    how: list[str] = field(default_factory=list)  # the first of the lost, in words
    posted: Counter[int] = field(default_factory=Counter)  # how often the origin processed each POST
    connections: int = 0
    going_away: int = 0  # WebSockets that were told 1001

    def lose(self, kind: str, how: object) -> None:
        self.lost[kind] += 1
        if len(self.how) < 20:
            self.how.append(f"{kind}: {how!r}")

    @property
    def doubled(self) -> int:
        return sum(times > 1 for times in self.posted.values())

    def rows(self) -> list[tuple[str, ...]]:
        return [(kind, str(self.answered[kind]), str(self.lost[kind])) for kind in KINDS]


class Traffic(Resting):
    """The clients, of all kinds or those named. tls: how to speak to the server, None for plain text."""

    def __init__(
        self,
        address: tuple[str, int],
        tally: Tally,
        seed: int,
        tls: ssl.SSLContext | None = None,
        kinds: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.address = address
        self._kinds = tuple(kinds) or tuple(KINDS)
        self.tally = tally
        self._tls = tls
        self._seed = seed
        self._numbers = iter(range(1, 10**9))

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """All clients at work; behind it they have all had their last answers."""
        began = time.monotonic()
        tasks = [
            asyncio.create_task(KINDS[kind][1](self, random.Random(f"{self._seed}/{kind}/{n}")))
            for kind in self._kinds
            for n in range(KINDS[kind][0])
        ]
        try:
            yield
        finally:
            self.stop()
            async with asyncio.timeout(30):
                await asyncio.gather(*tasks)
            self.tally.seconds = time.monotonic() - began

    async def open(self) -> Caller:
        self.tally.connections += 1
        if self._tls is None:
            return await Caller.open(self.address)
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(
            Caller, *self.address, ssl=self._tls, server_hostname="localhost"
        )
        return caller

    async def ask(self, kind: str, caller: Caller, request: bytes, wanted: bytes) -> bool:
        """One request; False when the connection is of no more use."""
        try:
            async with asyncio.timeout(20):
                answer = await caller.ask(request)
        except (CutError, OSError, TimeoutError) as error:
            self.tally.lose(kind, error)
            caller.leave()
            return False
        if answer.status == 200 and answer.body == wanted:
            self.tally.answered[kind] += 1
        else:
            self.tally.lose(kind, (answer.status, answer.body[:200]))
        if answer.one(b"connection").lower() == b"close":
            caller.leave()
            return False
        return True

    async def kept(
        self, kind: str, pause: Callable[[], float], request: Callable[[int], bytes], wanted: bytes
    ) -> None:
        """One client that keeps its connection for as long as it may."""
        caller: Caller | None = None
        while await self.rest(pause()):
            if caller is None or caller.closed or caller.transport.is_closing():
                try:
                    caller = await self.open()
                except OSError as error:
                    self.tally.lose(kind, error)
                    continue
            if not await self.ask(kind, caller, request(next(self._numbers)), wanted):
                caller = None
        if caller is not None:
            caller.leave()


async def _busy(traffic: Traffic, rng: random.Random) -> None:
    await traffic.kept("GET, kept connection", lambda: rng.uniform(0, 0.02), _get, b"ok")


async def _seldom(traffic: Traffic, rng: random.Random) -> None:
    """Pauses shorter than `timeouts.shutdown_idle`: behind longer ones a request may cross a close."""
    await traffic.kept("GET, kept connection, pauses", lambda: rng.uniform(0.1, 1.8), _get, b"ok")


async def _posts(traffic: Traffic, rng: random.Random) -> None:
    await traffic.kept(
        "POST, kept connection",
        lambda: rng.uniform(0, 0.04),
        lambda n: post(f"/post?n={n}", b"p" * 500),
        b"ok",
    )


async def _downloads(traffic: Traffic, rng: random.Random) -> None:
    await traffic.kept(
        "download of 3 s", lambda: rng.uniform(0, 0.5), lambda n: get(f"/download?n={n}"), PIECE * PIECES
    )


async def _fresh(traffic: Traffic, rng: random.Random) -> None:
    kind = "GET, new connection"
    while await traffic.rest(rng.uniform(0, 0.03)):
        try:
            caller = await traffic.open()
        except OSError as error:
            traffic.tally.lose(kind, error)
            continue
        await traffic.ask(kind, caller, get("/get", "Connection: close"), b"ok")
        caller.leave()


async def _sockets(traffic: Traffic, rng: random.Random) -> None:
    """A message each fifth of a second; one that is not answered is lost, unless the end was announced."""
    kind, scheme = "WebSocket message", "ws" if traffic._tls is None else "wss"
    url = f"{scheme}://{traffic.address[0]}:{traffic.address[1]}/ws"
    stopped = False
    while not stopped:
        try:
            async with connect(url, ssl=traffic._tls, proxy=None, ping_interval=None, compression=None) as ws:
                while not stopped:
                    await ws.send("hello")
                    async with asyncio.timeout(10):
                        if await ws.recv() == "hello":
                            traffic.tally.answered[kind] += 1
                    stopped = not await traffic.rest(rng.uniform(0.1, 0.3))
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == 1001:
                traffic.tally.going_away += 1
            else:
                traffic.tally.lose(kind, closed)
        except (OSError, TimeoutError) as error:
            traffic.tally.lose(kind, error)


KINDS: dict[str, tuple[int, Callable[[Traffic, random.Random], Coroutine[None, None, None]]]] = {
    "GET, kept connection": (8, _busy),
    "GET, kept connection, pauses": (16, _seldom),
    "GET, new connection": (4, _fresh),
    "POST, kept connection": (4, _posts),
    "download of 3 s": (4, _downloads),
    "WebSocket message": (8, _sockets),
}
"""How many of each there are, and what they do."""


def _get(n: int) -> bytes:
    return get(f"/get?n={n}")


async def _slowly(visit: Visit) -> None:
    await visit.body()
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
    for _ in range(PIECES):
        await visit.quiet(0.1)
        visit.write(PIECE)


@asynccontextmanager
async def origin(lab: Lab, tally: Tally) -> AsyncIterator[int]:
    """Prepares the lab for this traffic, and gives the port of an origin for its WebSockets."""

    async def posted(visit: Visit) -> None:
        await visit.body()
        tally.posted[visit.n] += 1
        visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def echo(ws: ServerConnection) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        except ConnectionClosed:
            return

    lab.on("/post", posted)
    lab.on("/download", _slowly)
    async with serve(echo, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
        yield server.sockets[0].getsockname()[1]
