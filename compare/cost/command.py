"""`compare` without a subcommand: chooses points and subjects, measures them, prints and keeps the results.

Must not know how anything is measured.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from .. import bench
from ..certificate import missing as no_openssl
from ..cli_proxies import names
from ..cores import Layout, layout
from ..environment import describe
from ..grid import markdown, show
from ..guard import first_in_line
from ..origin import Service
from ..plan import Cell
from ..process import StartError
from ..progress import Progress
from ..proxies import PEERS, Peer
from ..results import COST, Results
from ..samples import Sample
from ..workloads import Workload
from . import plan, points, tables
from .subjects import all_peers

ROUNDS = 2
WARM = 0.3  # seconds
AGAIN = 2  # times that a disturbed measurement is repeated
WRITTEN = 10  # measurements between two writings of the file
QUICK = 150.0  # seconds of measuring that --quick plans
QUICK_LIMIT = 168.0  # seconds after which it starts no further measurement


@dataclass(frozen=True, slots=True)
class _Choice:
    """What one run measures."""

    points: list[Workload]
    peers: list[Peer]
    left_out: dict[str, str]
    rounds: int
    whole: bool


def run(
    *,
    default: Path,
    quick: bool,
    clients: str | None,
    workload: str | None,
    payload: Path | None,
    latency_ms: int | None,
    mine: str | None,
    rounds: int | None,
    seconds: int,
    seed: int,
    minutes: float | None,
    resume: bool,
    json_file: Path | None,
    as_markdown: bool,
    strict: bool = False,
) -> bool:
    """Measure, print, and keep the result in `json_file`, or in `default` when the run is a whole one. False
    when something of the plan was not measured.
    """
    began = time.monotonic()
    _check_machine(mine)
    own = points.yours(payload, latency_ms or 0, mine) if payload or latency_ms or mine else None
    choice = _choose(own, clients, workload, rounds, seconds, quick=quick)
    file = json_file or (default if choice.whole and default.parent.is_dir() else None)
    sides = layout()
    settings: dict[str, Any] = {"rounds": choice.rounds, "seconds": seconds, "warm": WARM, "seed": seed}
    settings["points"] = [point.name for point in choice.points]
    results = _begun(file, settings) if resume else Results(kind=COST, settings=settings)
    note = bench.raise_limits()
    if not results.environment:
        results.environment = describe(sides, PEERS["nginx"].version())
    results.left_out = choice.left_out
    results.peers = {
        peer.name: {"title": peer.title, "kind": peer.settings, "version": peer.version()}
        for peer in choice.peers
    }
    cells = plan.order(choice.peers, choice.points, choice.rounds, seed, direct=not mine and not own)
    limits = [QUICK_LIMIT if quick else math.inf, minutes * 60 if minutes else math.inf]
    options = bench.Options(
        seconds,
        WARM,
        service=Service(late_ms=_delays(choice.points), payload=payload),
        mine=_downstream(mine),
        # A run in pieces comes back to what was disturbed when everything else is there.
        again=0 if quick or minutes else AGAIN,
        until=began + min(limits),
    )
    todo = plan.left(cells, results.samples)
    _measure(results, todo, sides, options, note, file)
    if file:
        results.write(file)
        click.echo(f"results are in {_short(file)}", err=True)
    _print(results, as_markdown)
    made = sum(sample.valid for sample in results.samples)
    if strict and made < len(cells):
        raise click.ClickException(f"{len(cells) - made} of {len(cells)} measurements were not made")
    return {*map(plan.key, cells)} <= {*map(plan.key, results.samples)}


def _check_machine(mine: str | None) -> None:
    if platform.system() != "Linux":
        raise click.ClickException("the comparison reads /proc and pins cores, so it runs on Linux only")
    problems = bench.missing_tools() if not mine else [reason for reason in [no_openssl()] if reason]
    if problems:
        raise click.ClickException("cannot measure: " + "; ".join(problems))
    if mine and urllib.parse.urlsplit(mine).scheme not in {"http", "https"}:
        raise click.UsageError("--mine wants a URL such as http://127.0.0.1:8000/items")


def _choose(
    own: dict[str, Workload] | None,
    clients: str | None,
    workload: str | None,
    rounds: int | None,
    seconds: int,
    *,
    quick: bool,
) -> _Choice:
    known = own or points.POINTS
    wanted = names(list(known), "workload", workload) or list(known)
    if not own:  # the most telling points first, should the time be up before the last
        wanted = [name for name in points.PRIORITY if name in wanted]
    chosen = [known[name] for name in wanted]
    everybody = all_peers(control=not quick and not clients)
    picked = names(list(everybody), "client", clients) or list(everybody)
    if clients and plan.REFERENCE not in picked:
        picked.insert(0, plan.REFERENCE)
    peers, left_out = bench.usable([everybody[name] for name in everybody if name in picked])
    if quick:
        taken, fitting = plan.fit(chosen, len(peers) or 1, QUICK, seconds, WARM)
        chosen, rounds = chosen[:taken], rounds or fitting
    whole = not (quick or clients or workload or own)
    return _Choice(chosen, peers, left_out, rounds or ROUNDS, whole)


def _delays(chosen: list[Workload]) -> tuple[int, ...]:
    return tuple(
        sorted({shape.late_ms for point in chosen for shape in point.parts.values() if shape.late_ms})
    )


def _downstream(mine: str | None) -> str | None:
    """Scheme and authority; what is asked for there is the generator's path."""
    if not mine:
        return None
    parts = urllib.parse.urlsplit(mine)
    return f"{parts.scheme}://{parts.netloc}"


def _begun(file: Path | None, settings: dict[str, Any]) -> Results:
    if file is None or not file.exists():
        return Results(kind=COST, settings=settings)
    try:
        results = Results.read(file, COST)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if results.settings != settings:
        raise click.ClickException(f"{_short(file)} is of a run with other settings; start without --resume")
    return results


def _measure(
    results: Results,
    cells: list[Cell],
    sides: Layout,
    options: bench.Options,
    note: str | None,
    file: Path | None,
) -> None:
    """Add to `results`; what is there when the user interrupts or time is up is kept, and written now and
    then.
    """
    with Progress([cell.estimate(options.seconds, options.warm) for cell in cells]) as progress:
        for name, reason in results.left_out.items():
            progress.say(f"{name} is left out: {reason}")
        if note:
            progress.say(note)
        made = 0

        def done(cell: Cell, sample: Sample) -> None:
            nonlocal made
            made += 1
            results.samples = [old for old in results.samples if plan.key(old) != plan.key(sample)]
            results.samples.append(sample)
            progress.step(cell, sample)
            if file and made % WRITTEN == 0:
                results.write(file)

        affinity = os.sched_getaffinity(0)
        results.environment["priority"] = "raised" if first_in_line() else "as other programs"
        try:
            bench.run(cells, sides, options, done)
        except StartError as error:
            raise click.ClickException(f"the origin did not start: {error}") from None
        except KeyboardInterrupt:
            progress.say("interrupted; what was measured is kept, and --resume goes on")
        finally:
            os.sched_setaffinity(0, affinity)
        if made < len(cells):
            progress.say(f"{len(cells) - made} of {len(cells)} measurements were not made")
    results.samples.sort(key=lambda sample: (sample.round, sample.workload, sample.order))


def _print(results: Results, as_markdown: bool) -> None:
    notes = tables.notes(results)
    if as_markdown:
        for grid in tables.tables(results):
            click.echo(markdown(grid))
        for line in notes:
            click.echo(f"- {line}")
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print("{cpu}, Linux {kernel}, {python}, {loop}".format(**results.environment), highlight=False)
    for grid in tables.tables(results):
        show(grid, console)
    for line in notes:
        console.print(f"note: {line}", highlight=False, markup=False)


def _short(file: Path) -> Path:
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
