"""Mixed traffic over every fault, from one seed. The oracle: correct and complete, or a visible error.

It must not know which error a fault leads to: tests/contract decides that. What counts here is that no client
is ever lied to, and that nothing is left over.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from downstream_proxy.errors import ERRORS

from .bench import Bench, Factory
from .caller import Answer, Caller, CutError, get
from .faults import BROKEN, FAULTS, RIGHT, chunk, content, tunnel
from .handshake import HANDSHAKE
from .lab import Visit

SETTINGS = """
[downstreams.default]
url = "http://$ORIGIN"
pool = { max_connections = 16, max_queue = 8, keep_alive = 0.5 }
timeouts = { head = 0.4, read_idle = 0.4, pool = 0.3, connect = 1 }
"""

ERROR_TYPES = {entry.proxy_status for entry in ERRORS.values()}
STATUSES = {entry.status for entry in ERRORS.values()} - {499}
PROBLEM = b"application/problem+json"
GROWTH_KIB = 16 * 1024


@dataclass
class Chaos:
    """What became of the requests, by fault and outcome."""

    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    posts: Counter[int] = field(default_factory=Counter)  # by request number, at the origin
    rss: list[int] = field(default_factory=list)  # KiB, from second to second

    @property
    def growth(self) -> int:
        """KiB from the second quarter of the time to the last, each at its median."""
        quarter = max(1, len(self.rss) // 4)
        early, late = sorted(self.rss[quarter : 2 * quarter]), sorted(self.rss[-quarter:])
        return late[len(late) // 2] - early[len(early) // 2]

    def row(self) -> tuple[str, ...]:
        every = sum(self.outcomes.values())
        right, tunnels, cut, left = (self.total(outcome) for outcome in ("200", "tunnel", "cut", "left"))
        told = every - right - tunnels - cut - left
        counts = (f"{self.seconds:.0f}", every, right, tunnels, told, cut, left)
        return (*map(str, counts), f"{self.growth / 1024:.1f} MiB")

    def total(self, outcome: str) -> int:
        return sum(n for (_, what), n in self.outcomes.items() if what == outcome)


class Storm:
    """The traffic."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.random = bench.random
        self.result = Chaos(bench.scale.chaos_seconds)
        self.until = time.monotonic() + bench.scale.chaos_seconds
        self.numbers = iter(range(10**9))

    async def behave(self, visit: Visit) -> None:
        if visit.method == b"POST":
            self.result.posts[visit.n] += 1
        body = content(visit.n, int(visit.query["size"]))
        await FAULTS[visit.query["fault"]](visit, body)

    async def flap(self) -> None:
        """The origin restarts now and again."""
        while True:
            await asyncio.sleep(self.random.uniform(1.0, 3.0))
            await self.bench.lab.flap(self.random.uniform(0.0, 0.2))

    async def watch(self) -> None:
        """The proxy is well all the time."""
        while True:
            self.result.rss.append(self.bench.rss())
            await self.bench.healthy()
            await asyncio.sleep(min(1.0, self.result.seconds / 40))

    async def client(self, rng: random.Random) -> None:
        caller: Caller | None = None
        while time.monotonic() < self.until:
            if caller is None or caller.closed or caller.transport.is_closing():
                caller = await Caller.open(self.bench.address)
            # Stalls cost time: the quick faults come more often.
            fault = rng.choice(RIGHT if rng.random() < 0.5 else BROKEN).__name__
            if rng.random() < 0.05:
                fault = tunnel.__name__
            size = rng.choice((1, 100, 5_000, rng.randrange(1, 300_000)))
            async with asyncio.timeout(10):
                outcome = await self._exchange(caller, rng, next(self.numbers), fault, size)
            self.result.outcomes[fault, outcome] += 1
        if caller is not None:
            caller.leave()

    async def _exchange(self, caller: Caller, rng: random.Random, n: int, fault: str, size: int) -> str:
        target = f"/chaos?n={n}&fault={fault}&size={size}"
        if fault == tunnel.__name__:
            return await self._tunnel(caller, rng, target)
        body = b"b" * rng.choice((0, 0, 10, 100_000))
        if body and rng.random() < 0.3:
            await self._upload(caller, rng, target, body)
        else:
            framing = (f"Content-Length: {len(body)}",) if body else ()
            caller.send(get(target, *framing, method="POST" if body else "GET") + body)
        if rng.random() < 0.1:
            await asyncio.sleep(rng.uniform(0, 0.05))
            caller.leave(rng.random() < 0.5)
            return "left"
        try:
            answer = await caller.answer()
        except CutError as cut:
            if cut.answer is not None:
                self._no_lie(cut.answer, n, size, whole=False)
            caller.leave()
            return "cut"
        self._no_lie(answer, n, size, whole=True)
        if answer.status == 200:
            assert fault in {f.__name__ for f in RIGHT} | {"early_close"}, f"{fault}: a whole answer"
        if answer.one(b"connection") == b"close":
            caller.leave()
        return str(answer.status)

    async def _upload(self, caller: Caller, rng: random.Random, target: str, body: bytes) -> None:
        """The body in chunks, with pauses. An answer or an end may come before it is out."""
        caller.send(get(target, "Transfer-Encoding: chunked", method="POST"))
        with suppress(CutError):
            for at in range(0, len(body), len(body) // 3 + 1):
                await asyncio.sleep(rng.uniform(0, 0.01))
                await caller.write(chunk(body[at : at + len(body) // 3 + 1]))
            await caller.write(b"0\r\n\r\n")

    async def _tunnel(self, caller: Caller, rng: random.Random, target: str) -> str:
        caller.send(get(target, *HANDSHAKE))
        try:
            answer = await caller.answer()
        except CutError:
            return "cut"
        if answer.status == 101:
            await asyncio.sleep(rng.uniform(0, 0.05))
            caller.leave(rng.random() < 0.5)
            return "tunnel"
        self._no_lie(answer, -1, 0, whole=True)
        caller.leave()
        return str(answer.status)

    def _no_lie(self, answer: Answer, n: int, size: int, whole: bool) -> None:
        """The oracle."""
        if answer.status == 200:
            wanted = content(n, size)
            assert answer.body == (wanted if whole else wanted[: answer.content.size]), (
                f"not the answer of {n}: {answer.body[:60]!r}, {answer.content.size} of {size}"
            )
            return
        assert answer.status in STATUSES, answer
        assert answer.one(b"content-type") == PROBLEM, answer
        told = answer.one(b"proxy-status").rpartition(b"error=")[2].decode() or None
        assert told in ERROR_TYPES, answer
        assert b'"urn:downstream-proxy:problem:' in answer.body or not whole, answer.body


async def chaos(factory: Factory) -> Chaos:
    """The storm, and the calm behind it."""
    async with factory(SETTINGS) as bench:
        storm = Storm(bench)
        bench.lab.on("/chaos", storm.behave)
        start = bench.descriptors()
        helpers = [asyncio.create_task(storm.flap()), asyncio.create_task(storm.watch())]
        async with asyncio.TaskGroup() as group:
            for n in range(bench.scale.chaos_clients):
                group.create_task(storm.client(random.Random(f"{bench.scale.seed}/{n}")))
        for helper in helpers:
            if helper.done():
                helper.result()
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await bench.at_rest(start, within=10.0)
        bench.no_traceback()
    return storm.result


def judge(result: Chaos) -> None:
    seen = {fault for fault, _ in result.outcomes}
    assert seen == set(FAULTS), f"never tried: {set(FAULTS) - seen}"
    twice = [n for n, times in result.posts.items() if times > 1]
    assert not twice, f"{len(twice)} of {len(result.posts)} POSTs came twice, such as {twice[:5]}"
    assert result.total("200") > 0.2 * sum(result.outcomes.values()), result.outcomes
    assert result.growth < GROWTH_KIB, f"resident memory grew by {result.growth} KiB: {result.rss}"
