"""Measures one running proxy: cost, latency, memory.

Must not know which proxy it is or how it was started.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import procfs
from .cores import Layout
from .holding import held
from .loadgen import h2load, wrk
from .process import LOOPBACK, Running
from .samples import Sample
from .workloads import Shape

WEIGHED_IDLE = 1000
WEIGHED_STREAMS = 200
SETTLE = 0.5  # seconds until allocators and kernel buffers have come to rest


@dataclass(frozen=True, slots=True)
class Bench:
    """Where measurements run and how long: `seconds` measured after `warm` seconds of the same load.

    `rate` is the open loop's arrival rate; None means half of what the proxy can do.
    """

    layout: Layout
    folder: Path
    seconds: float
    warm: float
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded. `proxy` is None for a run against the origin itself."""

    port: int
    proxy: Running | None


def measure(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    """Fill the sample. Raises ValueError, HoldError or OSError when the load cannot be made."""
    if shape.kind == "memory":
        _weigh(bench, target, sample)
        return
    load = bench.layout.load
    if shape.idle:
        with held(target.port, shape.idle, "idle", shape.path, cores=load):
            _closed(bench, target, shape, sample)
    else:
        _closed(bench, target, shape, sample)
    if shape.kind == "open":
        _open(bench, target, shape, sample)


def _url(target: Target, shape: Shape) -> str:
    return f"{'https' if shape.tls else 'http'}://{LOOPBACK}:{target.port}{shape.path}"


@dataclass(slots=True)
class _Watch:
    cpu: float = 0.0
    wall: float = 0.0
    cores: dict[int, procfs.CoreTime] | None = None


@contextmanager
def _watched(target: Target) -> Iterator[_Watch]:
    """CPU time of the proxy and of the cores from the start of the block to its end."""
    watch = _Watch()
    pid = target.proxy.pid if target.proxy else None
    cores = procfs.core_times()
    cpu = procfs.cpu_seconds(pid) if pid else 0.0
    wall = time.monotonic()
    yield watch
    watch.cpu = (procfs.cpu_seconds(pid) if pid else 0.0) - cpu
    watch.wall = time.monotonic() - wall
    after = procfs.core_times()
    watch.cores = {number: after[number] - before for number, before in cores.items() if number in after}


def _closed(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    load, url = bench.layout.load, _url(target, shape)
    if bench.warm:
        wrk.run(
            url,
            connections=shape.inflight,
            seconds=bench.warm,
            post=shape.post,
            cores=load,
            folder=bench.folder,
        )
    with _watched(target) as watch:
        result = wrk.run(
            url,
            connections=shape.inflight,
            seconds=bench.seconds,
            post=shape.post,
            cores=load,
            folder=bench.folder,
        )
    sample.requests, sample.failed = result.requests, result.failed
    sample.seconds, sample.rate = result.seconds, result.rate
    sample.latency_ms = result.latency_ms
    sample.cores = _shares(bench.layout, shape, watch)
    if not result.requests:
        raise ValueError("no request was answered")
    if result.bytes < result.requests * shape.body:
        raise ValueError(f"responses are too short: {result.bytes // result.requests} bytes each")
    if target.proxy and sample.stalled:
        raise ValueError(f"requests hung: {result.requests} answers in {result.seconds:.0f} s, nobody busy")
    if target.proxy:
        sample.cpu_us = watch.cpu / result.requests * 1e6


def _open(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    """Send half the rate just found, or the given one; the latencies of saturation are replaced."""
    with _watched(target) as watch:
        result = h2load.run(
            _url(target, shape),
            rate=bench.rate or sample.rate / 2,
            seconds=bench.seconds,
            warm=bench.warm,
            cores=bench.layout.load,
            folder=bench.folder,
        )
    sample.latency_ms = result.latency_ms
    sample.requests, sample.failed = result.requests, result.failed
    sample.cores = _shares(bench.layout, shape, watch)
    sample.open_loop = {"asked_rate": result.asked_rate, "rate": result.rate, "added": result.added}


def _shares(layout: Layout, shape: Shape, watch: _Watch) -> dict[str, float]:
    """How busy both sides were, what else ran on the proxy's cores, and what the hypervisor took."""
    used = layout.for_workers(shape.workers)
    cores = watch.cores or {}
    proxy = [cores[number] for number in used if number in cores]
    load = [cores[number] for number in layout.load if number in cores]
    total = sum(core.total for core in proxy) or 1
    busy = sum(core.busy for core in proxy) / total
    shares = {
        "proxy_busy": busy,
        "load_busy": max((core.busy / core.total for core in load if core.total), default=0.0),
        "stolen": sum(core.stolen for core in proxy + load) / (sum(core.total for core in proxy + load) or 1),
        # What interrupts take is sometimes counted as the process's own time, so it is left out here.
        "foreign": max(0.0, busy - watch.cpu / (watch.wall * len(used)) - _interrupts(proxy, total)),
    }
    return {name: round(value, 4) for name, value in shares.items()}


def _interrupts(cores: list[procfs.CoreTime], total: int) -> float:
    return sum(core.interrupts for core in cores) / total


def _weigh(bench: Bench, target: Target, sample: Sample) -> None:
    """RSS at rest after one request, then with idle connections, then with responses under way."""
    if target.proxy is None:
        raise ValueError("there is no proxy to weigh")
    pid, load = target.proxy.pid, bench.layout.load
    time.sleep(SETTLE)
    rest = procfs.memory(pid)
    with held(target.port, WEIGHED_IDLE, "idle", "/1k", cores=load):
        time.sleep(SETTLE)
        idle = procfs.memory(pid)
    time.sleep(SETTLE)
    before = procfs.memory(pid)
    with held(target.port, WEIGHED_STREAMS, "stream", "/4m", cores=load):
        time.sleep(SETTLE)
        streaming = procfs.memory(pid)
    sample.memory = {
        "rss": rest.rss,
        "pss": rest.pss,
        "per_idle": (idle.rss - rest.rss) / WEIGHED_IDLE,
        "per_stream": (streaming.rss - before.rss) / WEIGHED_STREAMS,
    }
