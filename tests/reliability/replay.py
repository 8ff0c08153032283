"""Idle connections that the downstream closes at random: no GET may fail for it, no POST may come twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from .bench import PLAIN, Factory
from .caller import Caller, CutError, get, post
from .lab import GoneError, Visit

AT_ONCE = 32

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Outcome:
    """Requests of one method. `failed` counts statuses; 0 is an answer cut off."""

    method: str
    sent: int = 0
    failed: Counter[int] = field(default_factory=Counter)
    processed: Counter[int] = field(default_factory=Counter)  # by request number, at the origin
    closed: Counter[str] = field(default_factory=Counter)  # by how the origin closed
    retried: float = 0.0
    seconds: float = 0.0

    @property
    def duplicates(self) -> int:
        return sum(1 for times in self.processed.values() if times > 1)

    def row(self) -> tuple[str, ...]:
        closed = sum(self.closed.values())
        failed = ", ".join(f"{n} x {status}" for status, n in sorted(self.failed.items())) or "0"
        return (self.method, str(self.sent), str(closed), f"{self.retried:.0f}", failed, str(self.duplicates))


class Closer:
    """An origin that answers, and closes a connection in use or idle at random moments.

    A connection's first request is always answered: what is tested are idle connections, not a broken origin.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.outcome = Outcome("")

    async def __call__(self, visit: Visit) -> None:
        chance = self.random.random() if visit.conn.visits > 1 else 1.0
        if chance < 0.02:
            # As the request arrives, with it unread: the kernel answers with a reset.
            self.outcome.closed["unread"] += 1
            visit.conn.reset()
            raise GoneError
        await visit.body()
        self.outcome.processed[visit.n] += 1
        if chance < 0.04:
            self.outcome.closed["after reading"] += 1
            visit.conn.close()
            raise GoneError
        visit.write(ANSWER)
        if chance < 0.06:
            # Together with the answer, which did not announce it: the next request may be under way.
            self.outcome.closed["after answering"] += 1
            visit.conn.close()
        elif chance < 0.14:
            self.outcome.closed["idle"] += 1
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.01), visit.conn.close)


async def replay(factory: Factory) -> list[Outcome]:
    """`scale.requests` GETs, then as many POSTs."""
    outcomes = []
    # Retries are budgeted to a share of the traffic (0.2); twelve in a hundred connections end.
    async with factory(PLAIN) as bench:
        closer = Closer(bench.scale.seed)
        bench.lab.on("/replay", closer)
        start = bench.descriptors()
        for method in ("GET", "POST"):
            outcome = closer.outcome = Outcome(method)
            outcomes.append(outcome)
            before = (await bench.metrics()).get(RETRIES, 0.0)
            numbers = iter(range(bench.scale.requests))
            began = time.monotonic()

            async def requests(method: str = method, outcome: Outcome = outcome) -> None:
                caller = await Caller.open(bench.address)
                for n in numbers:  # noqa: B023 - one iterator for all callers of this method, gone with them
                    target = f"/replay?n={n}"
                    if caller.closed:
                        caller = await Caller.open(bench.address)
                    outcome.sent += 1
                    try:
                        answer = await caller.ask(get(target) if method == "GET" else post(target, b"body"))
                    except CutError:
                        outcome.failed[0] += 1
                        continue
                    if answer.status != 200:
                        outcome.failed[answer.status] += 1
                        assert answer.one(b"proxy-status").startswith(b"downstream-proxy; error="), answer
                caller.leave()

            async with asyncio.timeout(50), asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(requests())
            outcome.seconds = time.monotonic() - began
            outcome.retried = (await bench.metrics()).get(RETRIES, 0.0) - before
            await bench.at_rest()
        await bench.at_rest(start, within=8.0)
        bench.no_traceback()
    return outcomes


RETRIES = 'downstream_proxy_retries_total{downstream="default"}'


def judge(outcomes: list[Outcome]) -> None:
    gets, posts = outcomes
    assert not gets.failed, f"GETs failed: {dict(gets.failed)} of {gets.sent}; {gets.closed}"
    assert not posts.duplicates, f"{posts.duplicates} of {posts.sent} POSTs came twice"
    assert set(posts.failed) <= {502}, f"POSTs failed invisibly: {dict(posts.failed)}"
    # The test is worth something only when connections did end, and in each way.
    for outcome in outcomes:
        assert len(outcome.closed) == 4, outcome.closed
        assert sum(outcome.closed.values()) > outcome.sent / 100
