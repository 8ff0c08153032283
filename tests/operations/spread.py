"""How evenly the workers share what comes. It must not know how they listen."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from ..reliability.caller import Caller, get
from .changing import Bench, scene

AT_ONCE = 64
ROUNDS = 10


@dataclass
class Spread:
    """Shares of the busiest worker: 0.5 of two is even."""

    connections: list[float]
    cpu: float

    def row(self) -> tuple[str, ...]:
        mean = sum(self.connections) / len(self.connections)
        return f"{mean:.0%}", f"{max(self.connections):.0%}", f"{self.cpu:.0%}"


def _sockets(pid: int) -> int:
    folder = f"/proc/{pid}/fd"
    return sum(os.readlink(f"{folder}/{name}").startswith("socket:") for name in os.listdir(folder))


def _cpu(pid: int) -> int:
    """Ticks in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _share(values: list[int]) -> float:
    return max(values) / max(1, sum(values))


async def spread(bench: Bench) -> Spread:
    """Connections that all come at once and stay; then requests on as many, without pauses."""
    async with scene(bench) as (serving, _, _):
        workers = serving.workers()
        shares = []
        for _ in range(ROUNDS):
            before = [_sockets(pid) for pid in workers]
            callers = await asyncio.gather(*(Caller.open(serving.address) for _ in range(AT_ONCE)))
            await asyncio.gather(*(caller.ask(get("/-/healthy")) for caller in callers))
            shares.append(_share([_sockets(pid) - old for pid, old in zip(workers, before, strict=True)]))
            for caller in callers:
                caller.leave()
            await asyncio.sleep(0.1)
        before = [_cpu(pid) for pid in workers]
        callers = await asyncio.gather(*(Caller.open(serving.address) for _ in range(AT_ONCE)))
        await asyncio.gather(*(_ask(caller, 100) for caller in callers))
        for caller in callers:
            caller.leave()
        cpu = _share([_cpu(pid) - old for pid, old in zip(workers, before, strict=True)])
    return Spread(shares, cpu)


async def _ask(caller: Caller, times: int) -> None:
    for _ in range(times):
        answer = await caller.ask(get("/get"))
        assert answer.status == 200
