"""Runs the cells of a plan: a fresh proxy for each, one origin for all, everything ended afterwards.

Must not know how results are shown. A cell that fails leaves a sample with its reason and the
run goes on.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import certificate, origin
from .cores import Layout
from .holding import HoldError
from .loadgen import h2load, wrk
from .measure import Bench, Target, measure
from .plan import Cell
from .process import StartError, free_port, started, wait_ready
from .proxies import Peer, Site
from .samples import Sample

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


def run(
    cells: Sequence[Cell],
    layout: Layout,
    seconds: float,
    warm: float,
    rate: float | None,
    done: Callable[[Cell, Sample], None],
) -> None:
    """Measure every cell, giving each sample to `done` as soon as it is there.

    Raises StartError when the origin does not start. This process moves to the load's cores for good.
    """
    os.sched_setaffinity(0, layout.load)
    with _folder() as folder:
        made = certificate.make(folder)
        origin_folder = folder / "origin"
        origin_folder.mkdir()
        origin_port = free_port()
        launch = origin.launch(origin_folder, origin_port)
        with started(launch, cores=layout.load, folder=origin_folder, name="origin") as running:
            wait_ready(running, origin_port, "/1k")
            for cell in cells:
                sample = Sample(cell.round, cell.workload.name, cell.part, cell.name, cell.order)
                with _folder(folder) as own:
                    try:
                        _cell(cell, Bench(layout, own, seconds, warm, rate), origin_port, made, sample)
                    except (StartError, HoldError, ValueError, OSError) as error:
                        sample.error = " ".join(str(error).split())
                done(cell, sample)


def _cell(cell: Cell, bench: Bench, origin_port: int, made: certificate.Certificate, sample: Sample) -> None:
    shape = cell.shape
    if cell.peer is None:
        measure(bench, Target(origin_port, None), shape, sample)
        return
    site = Site(
        port=free_port(),
        origin_port=origin_port,
        folder=bench.folder,
        certificate=made if shape.tls else None,
        workers=shape.workers,
        routes=shape.routes,
    )
    cores = bench.layout.for_workers(shape.workers)
    with started(cell.peer.launch(site), cores=cores, folder=bench.folder, name=cell.peer.name) as proxy:
        wait_ready(proxy, site.port, shape.path if not shape.post else "/1k", tls=shape.tls)
        measure(bench, Target(site.port, proxy), shape, sample)


def usable(peers: Sequence[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """The peers that can run here, and for each other one the reason why not."""
    left_out = {peer.name: reason for peer in peers if (reason := peer.missing())}
    return [peer for peer in peers if peer.name not in left_out], left_out
