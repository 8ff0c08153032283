"""Memory while large bodies pass, slow readers hang on and clients idle, read from /proc meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .bench import PLAIN, Bench, Factory
from .caller import Caller, get
from .lab import Visit

MOST_KIB = 32 * 1024
"""Above the idle process, for one body of any size."""

PIECE = b"x" * 65536
PER_MIB = 16


@dataclass
class Transfer:
    """One large body on its way; `above` is the peak in KiB over the idle process."""

    direction: str
    framing: str
    slow: str
    mib: int
    above: int

    def row(self) -> tuple[str, ...]:
        return self.direction, self.framing, self.slow, f"{self.mib} MiB", f"{self.above / 1024:.1f} MiB"


async def _dawdle(sent: int, total: int) -> None:
    """How a slow side keeps the other waiting: long once, then now and again."""
    if sent == 2:
        await asyncio.sleep(0.5)
    elif sent % max(1, total // 20) == 0:
        await asyncio.sleep(0.02)


async def _download(visit: Visit) -> None:
    pieces, chunked, slow = (int(visit.query[name]) for name in ("pieces", "chunked", "slow"))
    visit.write(b"HTTP/1.1 200 OK\r\n")
    visit.write(
        b"Transfer-Encoding: chunked\r\n\r\n"
        if chunked
        else b"Content-Length: %d\r\n\r\n" % (pieces * len(PIECE))
    )
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for sent in range(pieces):
        await visit.send(piece)
        if slow:
            await _dawdle(sent, pieces)
    if chunked:
        visit.write(b"0\r\n\r\n")


async def _upload(visit: Visit) -> None:
    """Takes the body, in starts when it is to be slow, and says how long it was."""
    if int(visit.query["slow"]):
        for n in range(20):
            visit.conn.transport.pause_reading()
            await asyncio.sleep(0.5 if not n else 0.02)
            visit.conn.transport.resume_reading()
            await asyncio.sleep(0.01)
    await visit.body()
    answer = b"%d" % visit.content.size
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


async def transfers(factory: Factory) -> list[Transfer]:
    """Up and down, with a length and chunked, with a slow client and with a slow origin."""
    found = []
    async with factory("") as bench:
        bench.lab.on("/down", _download)
        bench.lab.on("/up", _upload)
        await bench.healthy()
        idle = bench.rss()
        for direction in ("down", "up"):
            for chunked in (False, True):
                for slow in ("client", "origin"):
                    async with bench.peak() as peak, asyncio.timeout(600):
                        await (_down if direction == "down" else _up)(bench, chunked, slow)
                        above = peak() - idle
                    framing = "chunked" if chunked else "length"
                    found.append(Transfer(direction, framing, slow, bench.scale.mib, above))
        await bench.at_rest()
        bench.no_traceback()
    return found


async def _down(bench: Bench, chunked: bool, slow: str) -> None:
    pieces = bench.scale.mib * PER_MIB
    caller = await Caller.open(bench.address)
    caller.keep = False
    caller.send(get(f"/down?pieces={pieces}&chunked={int(chunked)}&slow={int(slow == 'origin')}"))
    if slow == "client":
        await caller.head()
        for n in range(20):
            caller.transport.pause_reading()
            await asyncio.sleep(0.5 if not n else 0.02)
            caller.transport.resume_reading()
            await asyncio.sleep(0.01)
    answer = await caller.answer()
    assert answer.status == 200
    assert answer.content.size == pieces * len(PIECE)
    caller.leave()


async def _up(bench: Bench, chunked: bool, slow: str) -> None:
    pieces = bench.scale.mib * PER_MIB
    caller = await Caller.open(bench.address)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {pieces * len(PIECE)}"
    caller.send(get(f"/up?slow={int(slow == 'origin')}", framing, method="POST"))
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for sent in range(pieces):
        await caller.write(piece)
        if slow == "client":
            await _dawdle(sent, pieces)
    if chunked:
        await caller.write(b"0\r\n\r\n")
    answer = await caller.answer()
    assert answer.status == 200
    assert int(answer.body) == pieces * len(PIECE)
    caller.leave()


@dataclass
class Many:
    """What each of many connections costs."""

    what: str
    count: int
    kib_each: float

    def row(self) -> tuple[str, ...]:
        return self.what, str(self.count), f"{self.kib_each:.1f} KiB"


@asynccontextmanager
async def _callers(bench: Bench, count: int, receive_buffer: int = 0) -> AsyncIterator[list[Caller]]:
    callers: list[Caller] = []
    try:
        while len(callers) < count:
            some = min(100, count - len(callers))
            callers += await asyncio.gather(
                *(Caller.open(bench.address, receive_buffer) for _ in range(some))
            )
        yield callers
    finally:
        for caller in callers:
            caller.leave()


async def slow_readers(factory: Factory) -> Many:
    """Clients that ask for a large file and read its head only."""
    count = factory.scale.readers
    settings = f"""
access_log = false
[downstreams.default]
url = "http://$ORIGIN"
pool = {{ max_connections = {count}, keep_alive = 0.5 }}
"""
    async with factory(settings) as bench:
        bench.lab.on("/down", _download)
        await bench.healthy()
        start, idle = bench.descriptors(), bench.rss()
        async with _callers(bench, count, receive_buffer=16384) as callers:

            async def begin(caller: Caller) -> None:
                caller.keep = False
                caller.send(get("/down?pieces=1600&chunked=0&slow=0"))
                answer = await caller.head()
                caller.transport.pause_reading()
                assert answer.status == 200

            async with asyncio.timeout(60):
                await asyncio.gather(*(begin(caller) for caller in callers))
            each = (await _settled(bench) - idle) / count
            await bench.healthy()
        await bench.at_rest(start, within=8.0)
        bench.no_traceback()
    return Many("slow readers of a large file", count, each)


async def idle_clients(factory: Factory) -> Many:
    """Clients that were served and keep their connection."""
    count = factory.scale.idle
    async with factory(PLAIN) as bench:
        await bench.healthy()
        start, idle = bench.descriptors(), bench.rss()
        async with _callers(bench, count) as callers:
            for at in range(0, count, 100):
                async with asyncio.timeout(20):
                    answers = await asyncio.gather(*(c.ask(get("/idle")) for c in callers[at : at + 100]))
                assert all(answer.status == 200 for answer in answers)
            each = (await _settled(bench) - idle) / count
            await bench.healthy()
        await bench.at_rest(start, within=8.0)
        bench.no_traceback()
    return Many("idle clients", count, each)


async def _settled(bench: Bench) -> int:
    """The resident memory once it has stopped growing, in KiB."""
    highest, quiet = bench.rss(), 0
    while quiet < 10:
        await asyncio.sleep(0.05)
        now = bench.rss()
        quiet = quiet + 1 if now <= highest else 0
        highest = max(highest, now)
    return highest
