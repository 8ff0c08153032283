"""Measures one subject at one point: closed loop by wrk, or a fixed arrival rate by h2load beside a
neighbour.

Must not know the subjects or how they were started. A neighbour is a small endpoint of the same process;
what it waits longer than its own microseconds is time in which the event loop was not free.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from .. import neighbour, procfs
from ..loadgen import h2load, wrk
from ..measure import Bench, Target, url
from ..process import LOOPBACK
from ..samples import Sample
from ..watch import shares, watched
from ..workloads import Shape

NEIGHBOUR_RATE = 50.0  # a second: often enough to find a loop that is held up, too seldom to be a load
CONNECTIONS = 1000  # with more in flight the first answers come late, so more is measured
LATE_PATH_MS = 100  # with answers this late likewise
PATIENCE = 5  # times as long once more, for one that answered nobody in time
REST_SECONDS = 3.0  # that a subject is given to come to rest after warming up
QUIET_SHARE = 0.1  # of a core: at rest


def measure_cost(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    """Fill the sample. Raises ValueError or OSError when the load cannot be made or is not answered."""
    if target.pid:
        sample.memory["rest"] = procfs.memory(target.pid).rss
    _warm(bench, target, shape)
    with watched(target.pid, bench.origin_pid) as watch:
        if shape.rate:
            _open(bench, target, shape, sample)
        else:
            _closed(bench, target, shape, sample)
    sample.cores = shares(bench.layout, shape.workers, watch)
    if target.pid:
        sample.memory["loaded"] = procfs.memory(target.pid).rss
        if not shape.rate:
            sample.cpu_us = watch.cpu / sample.requests * 1e6


def _warm(bench: Bench, target: Target, shape: Shape) -> None:
    """Fill pools and caches; by answers that are not late, as one that blocks would still be busy with
    them.
    """
    if not bench.warm:
        return
    address = f"{'https' if shape.tls else 'http'}://{LOOPBACK}:{target.port}{shape.path}"
    h2load.burst(address, connections=shape.inflight, seconds=bench.warm, cores=bench.layout.load)
    if target.pid is None:
        return
    limit = time.monotonic() + REST_SECONDS
    while time.monotonic() < limit:
        before, since = procfs.cpu_seconds(target.pid), time.monotonic()
        time.sleep(0.05)
        if procfs.cpu_seconds(target.pid) - before < QUIET_SHARE * (time.monotonic() - since):
            return


def _closed(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    longer = shape.inflight >= CONNECTIONS or shape.late_ms >= LATE_PATH_MS
    for seconds in (bench.seconds * (2 if longer else 1), bench.seconds * PATIENCE):
        result = wrk.run(
            url(target, shape),
            connections=shape.inflight,
            seconds=seconds,
            post=shape.post,
            cores=bench.layout.load,
            folder=bench.folder,
        )
        if result.requests:
            break
    sample.requests, sample.failed = result.requests, result.failed
    sample.seconds, sample.rate = result.seconds, result.rate
    sample.latency_ms = result.latency_ms
    if not result.requests:
        raise ValueError(f"no answer in {result.seconds:.0f} s with {shape.inflight} in flight")
    if result.failed == 0 and result.bytes < result.requests * shape.body:
        raise ValueError(f"responses are too short: {result.bytes // result.requests} bytes each")


def _open(bench: Bench, target: Target, shape: Shape, sample: Sample) -> None:
    with ThreadPoolExecutor(1) as apart:
        beside = apart.submit(_neighbour, bench, target, shape) if target.pid else None
        result = h2load.run(
            url(target, shape),
            rate=shape.rate,
            seconds=bench.seconds * 2,
            warm=bench.warm,
            cores=bench.layout.load,
            folder=bench.folder,
        )
        if beside is not None:
            sample.neighbour_ms = beside.result() or {}
    sample.requests, sample.failed, sample.rate = result.requests, result.failed, result.rate
    sample.latency_ms = result.latency_ms
    sample.open_loop = {"asked_rate": result.asked_rate, "rate": result.rate, "added": result.added}


def _neighbour(bench: Bench, target: Target, shape: Shape) -> dict[str, float] | None:
    """Its latencies; None for a proxy without such an endpoint."""
    address = f"{'https' if shape.tls else 'http'}://{LOOPBACK}:{target.port}{neighbour.PATH}"
    folder = bench.folder / "neighbour"
    folder.mkdir(exist_ok=True)
    try:
        return h2load.run(
            address,
            rate=NEIGHBOUR_RATE,
            seconds=bench.seconds * 2,
            warm=bench.warm,
            cores=bench.layout.load,
            folder=folder,
        ).latency_ms
    except ValueError:
        return None
