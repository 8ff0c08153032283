"""`python -m tests.operations`: every scenario on both backends; figures go between markers of a document.

It must not know how a scenario works; `tests.operations.failover` prints its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..backends import OURS
from ..reliability.bench import run
from .changing import Bench, Change, Scale, crashes, hammered, judge, reloads, restarts
from .spread import spread
from .supervisors import COMMANDS, ours, renewed

Rows = list[tuple[str, ...]]


def traffic(bench: Bench, problems: list[str]) -> Rows:
    """One row for each kind of client and what happened meanwhile."""
    rows: Rows = []
    for scenario in (reloads, restarts, crashes):
        change = run(scenario(bench))
        what = f"{change.times} x {change.what}"
        rows += [(bench.backend.name, what, *row) for row in change.tally.rows()]
        doubled = f"doubled: {change.tally.doubled}"
        rows.append((bench.backend.name, what, "POSTs at the origin", str(len(change.tally.posted)), doubled))
        if scenario is not crashes:
            problems += _held(bench, change)
    return rows


def _held(bench: Bench, change: Change) -> list[str]:
    try:
        judge(change)
    except AssertionError as error:
        return [f"{bench.backend.name}, {change.what}: {error}"]
    return []


def speed(bench: Bench, problems: list[str]) -> Rows:
    """wrk without pauses."""
    rows = []
    for keep in (True, False):
        seen = run(hammered(bench, keep))
        rows.append((bench.backend.name, *seen.row()))
        if seen.errors:
            problems.append(f"{bench.backend.name}: {seen}")
    return rows


def managers(bench: Bench, problems: list[str]) -> Rows:
    """Ours, and behind its row those that serve the same backend."""
    same = [name for name in COMMANDS if ("aiohttp" in name) == (bench.backend.name == "aiohttp")]
    scenarios = [ours(bench), *(renewed(name, bench) for name in same)]
    rows: Rows = []
    for scenario in scenarios:
        found = run(scenario)
        tally = found.change.tally
        what = f"{found.change.times} x {found.change.what}"
        lost = sum(tally.lost.values())
        rows.append((found.manager, what, str(sum(tally.answered.values())), str(lost), str(tally.doubled)))
    return rows


def workers(bench: Bench, problems: list[str]) -> Rows:
    """How even the spread is."""
    return [(bench.backend.name, *run(spread(bench)).row())]


SECTIONS: dict[str, tuple[tuple[str, ...], Callable[[Bench, list[str]], Rows]]] = {
    "traffic": (("backend", "meanwhile", "client", "answered", "lost"), traffic),
    "speed": (("backend", "connections", "reloads", "restarts", "requests", "errors"), speed),
    "managers": (("manager", "meanwhile", "answered", "lost", "POSTs doubled"), managers),
    "workers": (("backend", "busiest of 2, mean", "at most", "CPU time under load"), workers),
}


def table(columns: Sequence[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(document: str, name: str, figures: str) -> str:
    """The document with these figures between the markers of that name."""
    marked = re.compile(rf"(<!-- figures: {name} -->\n).*?(<!-- end of figures -->)", re.DOTALL)
    if not marked.search(document):
        raise ValueError(f"the document lacks <!-- figures: {name} --> ... <!-- end of figures -->")
    return marked.sub(lambda found: f"{found[1]}\n{figures}\n{found[2]}", document)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.operations", description=__doc__)
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the figures into FILE")
    parser.add_argument("--backend", action="append", choices=sorted(OURS), help="default: all")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="default: all")
    for field in dataclasses.fields(Scale):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=int, default=field.default, help=f"default: {field.default}")
    options = parser.parse_args()
    scale = Scale(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Scale)})
    problems: list[str] = []
    for name in options.only or list(SECTIONS):
        columns, measure = SECTIONS[name]
        rows: Rows = []
        with tempfile.TemporaryDirectory() as directory:
            for backend in options.backend or list(OURS):
                rows += measure(Bench(OURS[backend](), Path(directory), scale), problems)
        figures = table(columns, rows)
        print(figures, flush=True)
        if options.write:
            text = options.write.read_text(encoding="utf-8")
            place = f"Python {platform.python_version()}, {platform.system()}, {scale.workers} workers."
            options.write.write_text(written(text, name, f"{figures}\n{place}\n"), encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
