"""`compare proxies`: this proxy beside nginx, HAProxy, Caddy and the Python recipes.

Reads options, prints tables to stdout and progress to stderr. Must not know how anything is measured.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from . import bench, tables
from .cores import layout
from .environment import describe
from .grid import markdown, show
from .plan import Cell, order
from .process import StartError
from .progress import Progress
from .proxies import PEERS
from .results import Results
from .samples import Sample
from .workloads import WORKLOADS


def names(known: Sequence[str], what: str, text: str | None) -> list[str]:
    """The comma-separated names of `text`. Raises UsageError for one that is not known."""
    chosen = [name.strip() for name in text.split(",") if name.strip()] if text else []
    if unknown := [name for name in chosen if name not in known]:
        raise click.UsageError(f"unknown {what} {', '.join(unknown)}; known: {', '.join(known)}")
    return chosen


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Interleaved repeats.")
@click.option("--seconds", type=click.IntRange(1), default=3, show_default=True, help="Of each measurement.")
@click.option("--warm", type=click.IntRange(0), default=1, show_default=True, help="Seconds before it.")
@click.option("--peers", "peer_names", metavar="A,B", help=f"Of: {', '.join(PEERS)}.")
@click.option("--workloads", "workload_names", metavar="X,Y", help=f"Of: {', '.join(WORKLOADS)}.")
@click.option("--quick", is_flag=True, help="One round of one second, without growth and memory.")
@click.option("--rate", type=click.FloatRange(1), help="Arrivals a second in p99, for all peers alike.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order within each round.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Samples go here.")
@click.option(
    "--from",
    "from_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show a file written with --json; measure nothing.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown instead of drawn tables.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless every measured bound is met.")
def proxies(
    rounds: int,
    seconds: int,
    warm: int,
    peer_names: str | None,
    workload_names: str | None,
    quick: bool,
    rate: float | None,
    seed: int,
    json_file: Path | None,
    from_file: Path | None,
    as_markdown: bool,
    strict: bool,
) -> bool:
    """CPU time per request, latency and memory beside nginx, HAProxy, Caddy and the Python recipes.

    Each measurement is a fresh process alone on one core, with generator (wrk, h2load) and origin (nginx) on
    another. Ratios compare peers within the same round; the table shows their median and spread.
    """
    complete = True
    chosen_peers = names(list(PEERS), "peer", peer_names)
    chosen_workloads = names(list(WORKLOADS), "workload", workload_names)
    if from_file:
        try:
            results = Results.read(from_file)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    else:
        if quick:
            rounds, seconds = 1, 1
            chosen_workloads = chosen_workloads or [name for name, known in WORKLOADS.items() if known.core]
        results = Results(
            settings={"rounds": rounds, "seconds": seconds, "warm": warm, "rate": rate, "seed": seed}
        )
        complete = _measure(results, chosen_peers, chosen_workloads or list(WORKLOADS))
        if json_file:
            results.write(json_file)
    _print(results, as_markdown)
    if strict and not all(verdict.met for verdict in tables.verdicts(results)):
        sys.exit(1)
    return complete


def _measure(results: Results, peer_names: list[str], workload_names: list[str]) -> bool:
    """Fill `results`; what is there when the user interrupts is kept. False when he did."""
    if platform.system() != "Linux":
        raise click.ClickException("the comparison reads /proc and pins cores, so it runs on Linux only")
    if problems := bench.missing_tools():
        raise click.ClickException("cannot measure: " + "; ".join(problems))
    peers, results.left_out = bench.usable([PEERS[name] for name in peer_names or PEERS])
    sides = layout()
    note = bench.raise_limits()
    results.environment = describe(sides, PEERS["nginx"].version())
    results.peers = {
        peer.name: {"title": peer.title, "settings": peer.settings, "version": peer.version()}
        for peer in peers
    }
    settings = results.settings
    cells = order(
        peers,
        [WORKLOADS[name] for name in workload_names],
        settings["rounds"],
        settings["seed"],
        chosen=bool(peer_names),
    )
    seconds, warm = settings["seconds"], settings["warm"]
    with Progress([cell.estimate(seconds, warm) for cell in cells]) as progress:
        for name, reason in results.left_out.items():
            progress.say(f"{name} is left out: {reason}")
        if note:
            progress.say(note)

        def done(cell: Cell, sample: Sample) -> None:
            results.samples.append(sample)
            progress.step(cell, sample)

        try:
            bench.run(cells, sides, bench.Options(seconds, warm, settings["rate"]), done)
        except StartError as error:
            raise click.ClickException(f"the origin did not start: {error}") from None
        except KeyboardInterrupt:
            progress.say("interrupted; the tables show what was measured")
            return False
    return True


def _print(results: Results, as_markdown: bool) -> None:
    notes = tables.warnings(results)
    grids = tables.tables(results)
    if as_markdown:
        for grid in grids:
            click.echo(markdown(grid))
        for line in notes:
            click.echo(f"- {line}")
        return
    # A pipe has no width; the tables then get what they need instead of 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 160)
    environment = results.environment
    console.print(
        "{cpu}, Linux {kernel}, {python}, {loop}".format(**environment),
        highlight=False,
    )
    console.print(
        f"proxy on core {environment['proxy_cores'][0]}, load on {environment['load_cores']}",
        highlight=False,
    )
    for grid in grids:
        show(grid, console)
    for line in notes:
        console.print(f"note: {line}", highlight=False, markup=False)
