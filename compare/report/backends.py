"""The section that lays the two backends side by side. Pure; must not know the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..cost import reading
from ..cost import tables as cost_tables
from ..cost.points import CENTRE
from .evidence import Evidence

BACKENDS = ("aiohttp", "fastapi")

_ROWS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("lines of code in the adapter", lambda side: f"{side['lines']} in {side['files']} files"),
    ("distributions it brings", lambda side: str(len(side["distributions"]))),
    ("their size on disk", lambda side: f"{side['installed_mib']:.0f} MiB"),
    ("start to first answer", lambda side: f"{side['start_s']:.2f} s"),
    ("resident memory after it", lambda side: f"{side['rest_mib']:.0f} MiB"),
    ("request in flight at SIGTERM", lambda side: "answered" if side["drain_answered"] else "**lost**"),
    ("end after that answer", lambda side: f"{side['drain_s']:.2f} s"),
    ("killed worker replaced after", lambda side: f"{side['worker_replaced_s']:.2f} s"),
)


def section(evidence: Evidence) -> str:
    """A table with what was counted, and with the cost rows of both."""
    stored = evidence.sides.get("backends", {})
    if not stored:
        return "Not measured yet."
    head = ["what", *(f"`{name}_impl`" for name in BACKENDS)]
    rows = [[title, *(show(stored[name]) for name in BACKENDS)] for title, show in _ROWS]
    rows += _cost(evidence)
    only = [
        f"`{name}_impl` alone brings {', '.join(found)}."
        for name in BACKENDS
        if (found := _only(stored, name))
    ]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---", "---:", "---:"], *rows)]
    engine = evidence.sides.get("engine_lines")
    shared = [f"Both stand on the same {engine:,} lines of the engine."] if engine else []
    return "\n".join([*lines, "", " ".join([*shared, *only])])


def _only(stored: Mapping[str, Any], name: str) -> list[str]:
    others = {entry for other, side in stored.items() if other != name for entry in side["distributions"]}
    return [entry for entry in stored[name]["distributions"] if entry not in others]


def _cost(evidence: Evidence) -> list[list[str]]:
    rows = []
    subjects = [f"{name}-backend" for name in BACKENDS]
    for point in (CENTRE, "body-1m", "inflight-1000"):
        found = [reading.figure(evidence.cost, point, name, reading.cpu) for name in subjects]
        if all(found):
            title = f"CPU time per request, us: {cost_tables.title(point)}"
            rows.append([title, *(cost_tables.span(value, 0) for value in found)])
    for point, title in (("arrivals-1000", "p99, ms"),):
        found = [reading.figure(evidence.cost, point, name, reading.latency("p99")) for name in subjects]
        if any(found):
            name = f"{title}: {cost_tables.title(point)}"
            rows.append([name, *(cost_tables.span(value, 1) for value in found)])
    found = [reading.figure(evidence.cost, CENTRE, name, reading.loaded_mib) for name in subjects]
    if all(found):
        rows.append(["resident memory after the load, MiB", *(cost_tables.span(value, 0) for value in found)])
    return rows
