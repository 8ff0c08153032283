"""Reloads, restarts and crashes under traffic. It must not know how they are printed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..backends import Backend
from ..reliability.bench import until
from ..reliability.lab import Lab
from .running import Running, running
from .traffic import ROUTES, Tally, Traffic, origin


@dataclass(frozen=True)
class Scale:
    """How much of everything. The defaults are those of CI; docs/operations.md says what it was made with."""

    reloads: int = 20
    restarts: int = 5
    crashes: int = 3
    workers: int = 2
    wrk_seconds: int = 10
    seed: int = 7


@dataclass
class Bench:
    """Where scenarios happen."""

    backend: Backend
    directory: Path
    scale: Scale

    def settings(self, sockets: int, generation: int, more: str = "") -> str:
        """Whole settings; `generation` makes them differ."""
        routes = ROUTES.replace("$SOCKETS", str(sockets)).replace("$GENERATION", str(generation))
        return f"access_log = false\nworkers = {self.scale.workers}\n{more}{routes}"


@dataclass
class Change:
    """What happened, and what became of the traffic meanwhile."""

    what: str
    times: int
    tally: Tally
    each: list[float] = field(default_factory=list)  # seconds that one took


@asynccontextmanager
async def scene(bench: Bench, more: str = "") -> AsyncIterator[tuple[Running, Tally, int]]:
    """A server with an origin behind it."""
    lab, tally = await Lab().start(), Tally()
    try:
        async with (
            origin(lab, tally) as sockets,
            running(bench.backend, bench.settings(sockets, 0, more), lab, bench.directory) as serving,
        ):
            yield serving, tally, sockets
    finally:
        lab.stop()


async def reloads(bench: Bench) -> Change:
    """SIGHUP with a changed file each time, each fifth of them broken."""
    async with scene(bench) as (serving, tally, sockets):
        change = Change("SIGHUP", bench.scale.reloads, tally)
        async with Traffic(serving.address, tally, bench.scale.seed).flowing():
            for n in range(1, bench.scale.reloads + 1):
                await asyncio.sleep(0.3)
                began = time.monotonic()
                if n % 5:
                    await serving.reload(bench.settings(sockets, n))
                else:
                    await serving.reload("workers = none\n", "the configuration stays as it is: ")
                change.each.append(time.monotonic() - began)
            await asyncio.sleep(0.5)
    return change


async def restarts(bench: Bench) -> Change:
    """SIGUSR2, each time to the process that the last one started."""
    async with scene(bench) as (serving, tally, _):
        change = Change("SIGUSR2", bench.scale.restarts, tally)
        async with Traffic(serving.address, tally, bench.scale.seed).flowing():
            await asyncio.sleep(0.5)
            for _ in range(bench.scale.restarts):
                began = time.monotonic()
                await serving.restart()
                change.each.append(time.monotonic() - began)
            await serving.all_but_one_ended()
    return change


async def crashes(bench: Bench) -> Change:
    """SIGKILL to a worker, again and again; how long until there are as many as before."""
    async with scene(bench) as (serving, tally, _):
        change = Change("SIGKILL to a worker", bench.scale.crashes, tally)
        async with Traffic(serving.address, tally, bench.scale.seed).flowing():
            for n in range(bench.scale.crashes):
                await asyncio.sleep(1.0)
                before = serving.workers()
                began = time.monotonic()
                os.kill(before[n % len(before)], signal.SIGKILL)
                await until(
                    lambda before=before: len(set(serving.workers()) - set(before)) == 1  # type: ignore[misc]
                )
                change.each.append(time.monotonic() - began)
            await asyncio.sleep(1.0)
    return change


@dataclass
class Hammered:
    """What wrk saw at full speed."""

    connections: str
    reloads: int
    restarts: int
    requests: int
    errors: int  # connect, read, write, timeout, and statuses but 2xx

    def row(self) -> tuple[str, ...]:
        counts = (self.reloads, self.restarts, self.requests, self.errors)
        return (self.connections, *map(str, counts))


async def hammered(bench: Bench, keep: bool) -> Hammered:
    """wrk as fast as it can, while the proxy reloads and restarts."""
    program = shutil.which("wrk")
    assert program is not None, "wrk is not installed"
    scale = bench.scale
    async with scene(bench) as (serving, _, sockets):
        url = f"http://{serving.address[0]}:{serving.address[1]}/get"
        fields = [] if keep else ["-H", "Connection: close"]
        process = await asyncio.create_subprocess_exec(
            *(program, "-t1", "-c16", f"-d{scale.wrk_seconds}s", *fields, url), stdout=asyncio.subprocess.PIPE
        )
        ended = asyncio.create_task(process.communicate())
        reloads = restarts = 0
        while not ended.done() and reloads + restarts < scale.reloads + scale.restarts:
            if reloads * scale.restarts <= restarts * scale.reloads and reloads < scale.reloads:
                await serving.reload(bench.settings(sockets, reloads))
                reloads += 1
            else:
                await serving.restart()
                restarts += 1
        output = (await ended)[0].decode()
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", output)))
    errors += sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", output)))
    requests = re.search(r"(\d+) requests in", output)
    assert requests is not None, output
    return Hammered("kept" if keep else "one request each", reloads, restarts, int(requests[1]), errors)


def judge(change: Change) -> None:
    """Nothing lost, nothing doubled, and there was enough to lose."""
    tally = change.tally
    assert not tally.lost, (dict(tally.lost), tally.how)
    assert not tally.doubled, f"{tally.doubled} POSTs reached the origin twice"
    assert tally.answered["POST, kept connection"] == len(tally.posted)
    assert all(tally.answered[kind] for kind, *_ in tally.rows()), tally.answered
