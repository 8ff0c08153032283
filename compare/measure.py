"""Measures one running proxy: cost, latency, memory.

Must not know which proxy it is or how it was started.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from . import procfs
from .cores import Layout
from .holding import held
from .loadgen import h2load, wrk
from .origin import late
from .process import LOOPBACK, Running
from .samples import Sample
from .watch import shares, watched
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
    origin_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded. `proxy` is None for a run against the origin itself."""

    port: int
    proxy: Running | None

    @property
    def pid(self) -> int | None:
        return self.proxy.pid if self.proxy else None


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


def url(target: Target, shape: Shape) -> str:
    """What the generator asks for."""
    return f"{'https' if shape.tls else 'http'}://{LOOPBACK}:{target.port}{late(shape.path, shape.late_ms)}"


def _closed(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    load, address = bench.layout.load, url(target, shape)
    if bench.warm:
        wrk.run(
            address,
            connections=shape.inflight,
            seconds=bench.warm,
            post=shape.post,
            cores=load,
            folder=bench.folder,
        )
    with watched(target.pid, bench.origin_pid) as watch:
        result = wrk.run(
            address,
            connections=shape.inflight,
            seconds=bench.seconds,
            post=shape.post,
            cores=load,
            folder=bench.folder,
        )
    sample.requests, sample.failed = result.requests, result.failed
    sample.seconds, sample.rate = result.seconds, result.rate
    sample.latency_ms = result.latency_ms
    sample.cores = shares(bench.layout, shape.workers, watch)
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
    with watched(target.pid, bench.origin_pid) as watch:
        result = h2load.run(
            url(target, shape),
            rate=bench.rate or sample.rate / 2,
            seconds=bench.seconds,
            warm=bench.warm,
            cores=bench.layout.load,
            folder=bench.folder,
        )
    sample.latency_ms = result.latency_ms
    sample.requests, sample.failed = result.requests, result.failed
    sample.cores = shares(bench.layout, shape.workers, watch)
    sample.open_loop = {"asked_rate": result.asked_rate, "rate": result.rate, "added": result.added}


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
