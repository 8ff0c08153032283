"""The tables of a cost run. Pure; must not know how they are printed.

Rows stand in the order of the registry, never by result: an order by figures would rank what the noise does
not part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..grid import Grid
from ..proxies import DIRECT
from ..results import Results
from ..samples import Sample
from ..stats import Spread
from . import reading
from .plan import CONTROL
from .points import POINTS
from .reading import Read


def tables(results: Results) -> list[Grid]:
    """Those that have something to show."""
    closed = [name for name in measured(results) if not name.endswith("arrivals") and "arrivals-" not in name]
    opened = [name for name in measured(results) if name not in closed]
    made = [
        ratio_table(results, closed),
        figure_table(results, "CPU time per request, microseconds", closed, reading.cpu, 0),
        figure_table(results, "Answers per second on one core", closed, reading.rate, 0, direct=True),
        figure_table(results, "Resident memory after the load, MiB", closed, reading.loaded_mib, 0),
        *(arrivals_table(results, point) for point in opened),
        left_out_table(results),
    ]
    return [grid for grid in made if grid.rows]


def measured(results: Results) -> list[str]:
    """The points with a sample, in their order."""
    there = dict.fromkeys(sample.workload for sample in results.samples)
    known = [name for name in POINTS if name in there]
    return [*known, *(name for name in there if name not in POINTS)]


def title(point: str) -> str:
    return POINTS[point].title if point in POINTS else point.replace("-", " ")


def ratio_table(results: Results, points: list[str]) -> Grid:
    """CPU time beside aiohttp's in the same round."""
    noise = reading.noise(results)
    grid = Grid("CPU time per request, as a multiple of aiohttp's", ["subject", *map(title, points)])
    for name in [*reading.subjects(results), CONTROL]:
        found = [reading.ratio(results, point, name, reading.cpu) for point in points]
        if any(found):
            grid.rows.append([name, *(_ratio(value, noise) for value in found)])
    grid.note = f"Within {noise:.0%} of 1 nothing is told apart; such a ratio is shown as `=`."
    return grid


def _ratio(ratios: Spread | None, noise: float) -> str:
    if ratios is None:
        return "-"
    if reading.word(ratios, noise) == "same":
        return f"= ({ratios.median:.2f})"
    digits = 2 if ratios.median < 10 else 1
    return f"{ratios.median:.{digits}f}"


def figure_table(
    results: Results, name: str, points: list[str], read: Read, digits: int, *, direct: bool = False
) -> Grid:
    """Medians with their range."""
    grid = Grid(name, ["subject", *map(title, points)])
    for subject in [*reading.subjects(results), *([DIRECT] if direct else [])]:
        found = [reading.figure(results, point, subject, read) for point in points]
        if any(found):
            grid.rows.append([subject, *(span(value, digits) for value in found)])
    return grid


def span(found: Spread | None, digits: int) -> str:
    """Median and, when it is not the same, range."""
    if found is None:
        return "-"
    middle, low, high = (f"{value:,.{digits}f}" for value in (found.median, found.low, found.high))
    return middle if low == high else f"{middle} ({low}–{high})"


def arrivals_table(results: Results, point: str) -> Grid:
    """Latency at a fixed arrival rate, and what a neighbour endpoint of the same process waited meanwhile."""
    head = [
        "subject",
        "served, 1/s",
        "p50, ms",
        "p99, ms",
        "p99.9, ms",
        "neighbour p50, ms",
        "neighbour p99, ms",
    ]
    grid = Grid(f"Open loop: {title(point)}", head)
    reads: Iterable[tuple[Read, int]] = (
        (reading.rate, 0),
        (reading.latency("p50"), 1),
        (reading.latency("p99"), 1),
        (reading.latency("p999"), 1),
        (reading.neighbour("p50"), 1),
        (reading.neighbour("p99"), 1),
    )
    for subject in reading.subjects(results):
        found = [reading.figure(results, point, subject, read) for read, _ in reads]
        if any(found):
            cells = [span(value, digits) for value, (_, digits) in zip(found, reads, strict=True)]
            if found[0] and not found[1]:
                cells[1:4] = ["not kept", "-", "-"]
            grid.rows.append([subject, *cells])
    return grid


def left_out_table(results: Results) -> Grid:
    """Who could not take part, and by which error."""
    grid = Grid("Left out", ["subject", "point", "reason"])
    grid.rows = [[subject, "all", reason] for subject, reason in results.left_out.items()]
    for subject in reading.subjects(results):
        for point in measured(results):
            if reason := reading.failure(results, point, subject):
                grid.rows.append([subject, title(point), reason])
    return grid


def notes(results: Results) -> list[str]:
    """The self-check over the whole run, a line for each thing that makes figures less than they seem."""
    environment, found = results.environment, []
    if environment.get("proxy_cores") == environment.get("load_cores"):
        found.append("one core for all: subjects compete with generator and origin, so no figure is sound")
    there = measured(results)
    if absent := [title(point) for point in results.settings.get("points", ()) if point not in there]:
        found.append(f"points of the plan that were not measured: {', '.join(absent)}")
    rounds = {sample.round for sample in results.samples}
    if len(rounds) == 1:
        found.append("one round only: ratios have no range, so small differences mean nothing")
    counted = [sample for sample in results.samples if not sample.error]
    disturbed = [sample for sample in counted if sample.disturbed]
    if disturbed:
        where = Counter(title(sample.workload) for sample in disturbed)
        names = ", ".join(f"{count} at {point}" for point, count in where.items())
        found.append(
            f"{len(disturbed)} of {len(counted)} measurements were disturbed by other programs: {names}"
        )
    limited = sorted(
        {
            f"{sample.peer} at {title(sample.workload)}"
            for sample in counted
            if sample.peer != DIRECT and not sample.open_loop
            if _own_load(sample) > 0.85 > sample.cores.get("proxy_busy", 1)
        }
    )
    if limited:
        found.append(
            "generator and origin were the limit, so the rate is theirs (the cost per request stands): "
            + ", ".join(limited)
        )
    return found


def _own_load(sample: Sample) -> float:
    """What generator and origin took of their core."""
    return sample.cores.get("load_busy", 0.0) - sample.cores.get("load_foreign", 0.0)
