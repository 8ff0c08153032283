"""Watches the cores during a measurement: what the proxy used, what load and origin used, what others took.

Must not know what is measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import procfs
from .cores import Layout


@dataclass(slots=True)
class Watch:
    """CPU seconds of the proxy's tree and of our own side (runner, its generators, origin) over `wall`
    seconds.
    """

    cpu: float = 0.0
    load_cpu: float = 0.0
    wall: float = 0.0
    cores: dict[int, procfs.CoreTime] = field(default_factory=dict)


@contextmanager
def watched(proxy: int | None, origin: int | None = None) -> Iterator[Watch]:
    """Fill a Watch from the start of the block to its end. Pids; None for one that is not there."""
    watch = Watch()
    cores = procfs.core_times()
    cpu, load_cpu, wall = _cpu(proxy), _own() + _cpu(origin), time.monotonic()
    yield watch
    watch.cpu = _cpu(proxy) - cpu
    watch.load_cpu = _own() + _cpu(origin) - load_cpu
    watch.wall = time.monotonic() - wall
    after = procfs.core_times()
    watch.cores = {number: after[number] - before for number, before in cores.items() if number in after}


def _cpu(pid: int | None) -> float:
    return procfs.cpu_seconds(pid) if pid else 0.0


def _own() -> float:
    # Generators are our children and have been waited for when the block ends.
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def shares(layout: Layout, workers: int, watch: Watch) -> dict[str, float]:
    """How busy both sides were, what else ran on their cores, and what the hypervisor took; 0..1 each."""
    used = layout.for_workers(workers)
    proxy = [watch.cores[number] for number in used if number in watch.cores]
    load = [watch.cores[number] for number in layout.load if number in watch.cores]
    found = {
        "proxy_busy": _busy(proxy),
        "load_busy": max((_busy([core]) for core in load), default=0.0),
        "stolen": sum(core.stolen for core in proxy + load) / _total(proxy + load),
        "foreign": _foreign(proxy, watch.cpu, watch.wall),
    }
    if not layout.shared:
        found["load_foreign"] = _foreign(load, watch.load_cpu, watch.wall)
    return {name: round(value, 4) for name, value in found.items()}


def _total(cores: list[procfs.CoreTime]) -> int:
    return sum(core.total for core in cores) or 1


def _busy(cores: list[procfs.CoreTime]) -> float:
    return sum(core.busy for core in cores) / _total(cores)


def _foreign(cores: list[procfs.CoreTime], own: float, wall: float) -> float:
    """Time of others. What interrupts take is sometimes counted as the process's own time, so it is left
    out.
    """
    if not cores or wall <= 0:
        return 0.0
    interrupts = sum(core.interrupts for core in cores) / _total(cores)
    return max(0.0, _busy(cores) - own / (wall * len(cores)) - interrupts)
