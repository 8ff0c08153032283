"""Runs the cells of a plan: a fresh proxy for each, one origin for all, everything ended afterwards.

Must not know how results are shown. A cell that fails leaves a sample with its reason and the
run goes on.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import certificate, origin
from .cores import Layout
from .cost.measure import measure_cost
from .holding import HoldError
from .loadgen import h2load, wrk
from .measure import Bench, Target, measure
from .plan import Cell
from .process import LOOPBACK, StartError, free_port, started, wait_ready
from .proxies import Peer, Site
from .samples import Sample

READY = 15.0  # seconds until a proxy must have answered
OPEN_FILES = 12_000  # wanted, for the idle connections


def missing_tools() -> list[str]:
    """One line for each thing without which nothing can be measured."""
    reasons = (origin.missing(), wrk.missing(), h2load.missing(), certificate.missing())
    return [reason for reason in reasons if reason]


def raise_limits() -> str | None:
    """Allow as many open files as the system lets us; a warning when that is too few for idle connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        return f"only {hard} open files are allowed: the workload with 10,000 idle connections cannot run"
    return None


@contextmanager
def _folder(inside: Path | None = None) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="downstream-proxy-", dir=inside))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is made: see Bench for the times and the rate.

    service: what the origin offers. mine: URL of a service of the user's that is asked instead of it. again:
    how often a measurement that others disturbed is repeated. until: no cell starts after this
    time.monotonic().
    """

    seconds: float
    warm: float
    rate: float | None = None
    service: origin.Service = field(default_factory=origin.Service)
    mine: str | None = None
    again: int = 0
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class _Downstream:
    """Where the proxies of a run forward to; `url` is empty for the origin."""

    port: int
    certificate: certificate.Certificate
    pid: int | None
    tls_port: int = 0
    url: str = ""


def run(
    cells: Sequence[Cell], layout: Layout, options: Options, done: Callable[[Cell, Sample], None]
) -> None:
    """Measure every cell, giving each sample to `done` as soon as it is there.

    Raises StartError when the origin does not start. This process moves to the load's cores for good.
    """
    os.sched_setaffinity(0, layout.load)
    with _folder() as folder, _downstream(folder, layout, options) as downstream:
        for cell in cells:
            if time.monotonic() >= options.until:
                break
            for _ in range(options.again + 1):
                sample = _sample(cell, layout, options, downstream, folder)
                if not sample.disturbed:
                    break
            done(cell, sample)


@contextmanager
def _downstream(folder: Path, layout: Layout, options: Options) -> Iterator[_Downstream]:
    made = certificate.make(folder)
    if options.mine:
        yield _Downstream(0, made, None, url=options.mine)
        return
    own = folder / "origin"
    own.mkdir()
    port, tls_port = free_port(), free_port()
    service = replace(options.service, certificate=made, tls_port=tls_port)
    launch = origin.launch(own, port, service)
    with started(launch, cores=layout.load, folder=own, name="origin") as running:
        wait_ready(running, port, "/1k")
        yield _Downstream(port, made, running.pid, tls_port)


def _sample(cell: Cell, layout: Layout, options: Options, downstream: _Downstream, folder: Path) -> Sample:
    sample = Sample(cell.round, cell.workload.name, cell.part, cell.name, cell.order)
    with _folder(folder) as own:
        bench = Bench(layout, own, options.seconds, options.warm, options.rate, downstream.pid)
        try:
            _cell(cell, bench, downstream, sample)
        except (StartError, HoldError, ValueError, OSError) as error:
            sample.error = " ".join(str(error).split())
    return sample


def _cell(cell: Cell, bench: Bench, downstream: _Downstream, sample: Sample) -> None:
    shape = cell.shape
    take = measure_cost if shape.kind == "cost" else measure
    if cell.peer is None:
        take(bench, Target(downstream.port, None), shape, sample)
        return
    site = Site(
        port=free_port(),
        origin_port=downstream.port,
        folder=bench.folder,
        certificate=downstream.certificate if shape.tls else None,
        workers=shape.workers,
        routes=shape.routes,
        downstream=f"https://{LOOPBACK}:{downstream.tls_port}" if shape.origin_tls else downstream.url,
        authority=downstream.certificate.authority if shape.origin_tls else None,
    )
    cores = bench.layout.for_workers(shape.workers)
    with started(cell.peer.launch(site), cores=cores, folder=bench.folder, name=cell.peer.name) as proxy:
        path = shape.path if not shape.post else "/1k"
        wait_ready(proxy, site.port, path, tls=shape.tls, timeout=READY)
        take(bench, Target(site.port, proxy), shape, sample)


def usable(peers: Sequence[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """The peers that can run here, and for each other one the reason why not."""
    left_out = {peer.name: reason for peer in peers if (reason := peer.missing())}
    return [peer for peer in peers if peer.name not in left_out], left_out
