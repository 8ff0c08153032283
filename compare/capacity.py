"""`python -m compare.capacity`: prints docs/capacity.md from what `compare proxies` has measured, writes it,
or checks a file.

What it is for: a sizing rule whose every number is looked up or worked out here, so that none can go stale
alone.
What it must not know: how anything is measured.
"""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

from downstream_proxy.generated import document_command

from .results import Results

RESULTS = Path(__file__).parent / "results" / "capacity.json"
BUSY = 0.6
"""Share of a core that a worker should use at the day's peak: at more, its queue shows in the tail."""

_PEERS = ("aiohttp", "fastapi")
_WORKLOADS = {"get-1k": "GET, 1 KiB", "get-64k": "GET, 64 KiB", "tls": "GET, 1 KiB, TLS to the client"}


_CAVEAT = " Other programs disturbed some of it: read the figures as cautious ones."
_TEMPLATE = Path(__file__).with_name("capacity.md")
_RATE, _MILLISECONDS, _CLIENTS, _SLOW, _MACHINES = 12_000, 40, 30_000, 400, 3
"""What the arithmetic is shown with."""


def markdown() -> str:
    """The whole document. Raises ValueError when a figure was not measured."""
    results = Results.read(RESULTS)
    cpu = {(work, peer): _cpu(results, work, peer) for work in _WORKLOADS for peer in _PEERS}
    weight = {peer: _memory(results, peer) for peer in _PEERS}
    costs = (
        f"| {title} | "
        + " | ".join(f"{cpu[work, peer]:.0f} us | {_rate(cpu[work, peer])}" for peer in _PEERS)
        + " |"
        for work, title in _WORKLOADS.items()
    )
    weights = (
        f"| {peer} | {one['rss'] / 1024:.0f} MiB | {one['per_idle']:.1f} KiB | {one['per_stream']:.0f} KiB |"
        for peer, one in weight.items()
    )
    environment, settings = results.environment, results.settings
    disturbed = any(sample.disturbed for sample in results.samples)
    return _TEMPLATE.read_text(encoding="utf-8").format(
        costs="\n".join(costs),
        weights="\n".join(weights),
        busy=f"{BUSY * 100:.0f} %",
        share=f"{BUSY:g}",
        machine=f"{environment['cores']} cores of {environment['cpu']}, {environment['python']}, "
        f"{environment['loop']}, {environment['date'][:10]}, median of {settings['rounds']} rounds of "
        f"{settings['seconds']} s",
        caveat=" Other programs disturbed some of it: take the figures as cautious ones."
        if disturbed
        else "",
        **_example(cpu["get-64k", "aiohttp"], weight["aiohttp"]),
    )


def _cpu(results: Results, workload: str, peer: str) -> float:
    found = [
        sample.cpu_us
        for sample in results.samples
        if sample.valid and sample.workload == workload and sample.peer == peer and sample.cpu_us is not None
    ]
    if not found:
        raise ValueError(f"{RESULTS.name} has no {workload} of {peer}")
    return median(found)


def _memory(results: Results, peer: str) -> dict[str, float]:
    found = [
        sample.memory for sample in results.samples if sample.valid and sample.memory and sample.peer == peer
    ]
    if not found:
        raise ValueError(f"{RESULTS.name} has no memory of {peer}")
    return {name: median(one[name] for one in found) for name in ("rss", "per_idle", "per_stream")}


def _rate(microseconds: float) -> str:
    """What one worker answers at BUSY, in requests per second, to two figures."""
    rate = BUSY * 1e6 / microseconds
    step = 10 ** (int(math.log10(rate)) - 1)
    return f"{int(rate / step) * step:,}"


def _example(cpu: float, weight: dict[str, float]) -> dict[str, object]:
    """The example's numbers, by the names that the template has for them."""
    work = _RATE * cpu / 1e6
    workers = math.ceil(work / BUSY)
    spread = math.ceil(workers / (_MACHINES - 1))
    processes = spread * _MACHINES
    inflight = math.ceil(_RATE * _MILLISECONDS / 1000)
    places = math.ceil(2 * inflight / processes)
    idle, slow = _CLIENTS / processes, _SLOW / processes
    memory = (weight["rss"] + idle * weight["per_idle"] + slow * weight["per_stream"]) / 1024
    return {
        "e_rate": f"{_RATE:,}",
        "e_ms": _MILLISECONDS,
        "e_connections": f"{_CLIENTS:,}",
        "e_slow": _SLOW,
        "e_machines": _MACHINES,
        "e_left": _MACHINES - 1,
        "e_cpu": f"{cpu:.0f}",
        "e_work": f"{work:.2f}",
        "e_workers": workers,
        "e_spread": spread,
        "e_processes": processes,
        "e_inflight": inflight,
        "e_places": places,
        "e_borne": places * processes,
        "e_rss": f"{weight['rss'] / 1024:.0f}",
        "e_idle": f"{idle:,.0f}",
        "e_per_idle": f"{weight['per_idle']:.1f}",
        "e_slow_each": f"{slow:.0f}",
        "e_per_stream": f"{weight['per_stream']:.0f}",
        "e_memory": f"{memory:.0f}",
        "e_asked": math.ceil(memory * 1.5),
        "e_descriptors": f"{math.ceil(2 * (idle + places) + 1000):,}",
    }


if __name__ == "__main__":
    raise SystemExit(document_command("compare.capacity", markdown))
