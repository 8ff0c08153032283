"""A server under test, watched from outside: its counters over HTTP, its memory and descriptors in /proc.

It must not know single scenarios.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from downstream_proxy.errors import ERRORS, ErrorKind, Party

from ..backends import Backend, Server
from ..origin import Origin
from .caller import get, once
from .lab import Lab

T = TypeVar("T")

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024 if hasattr(os, "sysconf") else 4

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


PLAIN = """
access_log = false
[downstreams.default]
url = "http://$ORIGIN"
pool = { keep_alive = 0.5 }
"""
"""Settings whose descriptors are soon back where they were."""


@dataclass(frozen=True)
class Scale:
    """How much of everything. The defaults are those of CI; `full` is what docs/reliability.md is made of."""

    rounds: int = 1_000
    requests: int = 10_000
    load_seconds: float = 2.0
    mib: int = 1024
    readers: int = 200
    idle: int = 2_000
    chaos_seconds: float = 60.0
    chaos_clients: int = 24
    seed: int = 4


class Bench:
    """One running server and the origin behind it."""

    def __init__(self, server: Server, lab: Lab, scale: Scale) -> None:
        assert server.process is not None
        self.server = server
        self.address = server.address
        self.pid = server.process.pid
        self.lab = lab
        self.scale = scale
        self.random = random.Random(scale.seed)
        self.tasks = 0.0

    # -- from /proc

    def rss(self) -> int:
        """Resident memory in KiB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_KIB

    def descriptors(self) -> Counter[str]:
        """Open descriptors by what they are: socket, pipe, anon_inode, file."""
        kinds: Counter[str] = Counter()
        folder = f"/proc/{self.pid}/fd"
        for name in os.listdir(folder):
            try:
                target = os.readlink(f"{folder}/{name}")
            except FileNotFoundError:
                continue
            kinds[target.partition(":")[0] if ":" in target else "file"] += 1
        return kinds

    # -- from the engine's own counters

    async def metrics(self) -> dict[str, float]:
        """All samples, by name with labels."""
        answer = await once(self.address, get("/-/metrics", "Connection: close"))
        assert answer.status == 200
        return {
            name + (f"{{{labels}}}" if labels else ""): float(value)
            for name, labels, value in _SAMPLE.findall(answer.body.decode())
        }

    async def busy(self) -> dict[str, float]:
        """Every counter that must be 0 at rest and is not: places, requests, connections, and tasks beyond
        those of the beginning. The request that asks is not counted."""
        samples = await self.metrics()
        found = {k: v for k, v in samples.items() if k.startswith("downstream_proxy_pool{")}
        found["downstream_proxy_inflight"] = samples["downstream_proxy_inflight"] - 1
        found["downstream_proxy_connections"] = samples["downstream_proxy_connections"] - 1
        found["downstream_proxy_tasks"] = samples["downstream_proxy_tasks"] - self.tasks
        return {k: v for k, v in found.items() if v}

    async def begin(self) -> None:
        """Takes note of how many tasks the server has at rest."""
        for _ in range(100):
            samples = await self.metrics()
            if samples["downstream_proxy_connections"] == 1:
                self.tasks = samples["downstream_proxy_tasks"]
                return
            await asyncio.sleep(0.01)
        raise TimeoutError("whoever asked whether the server is there has not left")

    async def blamed(self) -> dict[str, float]:
        """Error counts that lay a failure at the downstream's door."""
        found = {}
        for name, value in (await self.metrics()).items():
            match = re.search(r'errors_total\{.*kind="([^"]+)"', name)
            if match and value and ERRORS[ErrorKind(match[1])].party is Party.DOWNSTREAM:
                found[name] = value
        return found

    async def at_rest(self, descriptors: Counter[str] | None = None, within: float = 5.0) -> float:
        """Waits until counters and descriptors are back; the seconds it took, or AssertionError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            busy = await self.busy()
            held = self.descriptors() - descriptors if descriptors is not None else Counter[str]()
            if not busy and not held:
                return loop.time() - began
            assert loop.time() - began < within, f"not at rest: {busy}, descriptors left: {dict(held)}"
            await asyncio.sleep(0.02)

    async def healthy(self) -> None:
        async with asyncio.timeout(5.0):
            answer = await once(self.address, get("/-/healthy"))
        assert answer.status == 200

    def no_traceback(self) -> str:
        """What the log got since the last call, without tracebacks in it."""
        log = self.server.new_log()
        assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
        return log

    @asynccontextmanager
    async def peak(self, every: float = 0.01) -> AsyncIterator[Callable[[], int]]:
        """Samples the resident memory meanwhile; the callable gives the highest so far, in KiB."""
        highest = self.rss()

        async def sample() -> None:
            nonlocal highest
            while True:
                highest = max(highest, self.rss())
                await asyncio.sleep(every)

        task = asyncio.create_task(sample())
        try:
            yield lambda: max(highest, self.rss())
        finally:
            task.cancel()


class Factory:
    """Starts servers for scenarios, and stops each with its scenario."""

    def __init__(self, backend: Backend, directory: Path, scale: Scale) -> None:
        self.backend = backend
        self.directory = directory
        self.scale = scale

    @asynccontextmanager
    async def __call__(self, settings: str) -> AsyncIterator[Bench]:
        """A server with this TOML, in which $ORIGIN is the lab. Its log must be free of tracebacks."""
        lab = await Lab().start()
        loop = asyncio.get_running_loop()
        # The starter needs of an origin its address only.
        server = await loop.run_in_executor(
            None, self.backend.start, settings, cast(Origin, lab), self.directory
        )
        try:
            bench = Bench(server, lab, self.scale)
            await bench.begin()
            yield bench
        finally:
            lab.stop()
            await loop.run_in_executor(None, server.stop)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a scenario on the fastest loop there is: client and origin must not be what is measured."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Waits for something that no event tells of; TimeoutError when it does not come."""
    async with asyncio.timeout(within):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)
