"""Who fits stated needs, and which rows say so. Pure.

Must not know how an answer is shown. Those who keep the rules are grouped by their ratio to aiohttp, taken
within a round; inside a group the order means nothing, as the noise is larger than the differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..cost import reading
from ..cost.plan import REFERENCE
from ..stats import Spread, spread
from .evidence import NOT_OFFERED, UNKNOWN, Cell, Evidence
from .needs import BASE, CLIENT, PLAIN, SYNC, Need


@dataclass(frozen=True, slots=True)
class Row:
    """One subject that fits: its group from 0, its ratio to aiohttp, and the figure at each point."""

    subject: str
    group: int
    ratio: Spread
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` from the first group on; `refused` says of each other subject by what it fell out. nearest: when
    nobody fits, who has all that was asked for and breaks the fewest of the rules that everybody should keep.
    cheaper: who would be the first group if it broke none of these.
    """

    needs: tuple[Need, ...]
    points: tuple[str, ...]
    rows: tuple[Row, ...]
    refused: dict[str, str]
    nearest: tuple[Row, ...] = ()
    cheaper: tuple[Row, ...] = ()

    @property
    def taken(self) -> tuple[str, ...]:
        return tuple(row.subject for row in self.rows if row.group == 0)

    @property
    def reference(self) -> Row | None:
        return next((row for row in self.rows if row.subject == REFERENCE), None)


def answer(evidence: Evidence, needs: Sequence[Need]) -> Answer:
    """Who is cheapest of those that keep every rule the needs name."""
    asked = tuple(needs) or (PLAIN,)
    points = tuple(dict.fromkeys(need.point for need in asked if need.point)) or (PLAIN.point or "",)
    kinds = [need.kinds for need in asked if need.kinds]
    allowed = frozenset.intersection(*kinds) if kinds else CLIENT
    topics = [topic for need in asked for topic in need.topics]
    refused: dict[str, str] = {}
    ratios: dict[str, Spread] = {}
    flawed: dict[str, float] = {}
    for subject in reading.subjects(evidence.cost):
        if evidence.kind(subject) not in allowed or (
            any(need.sync for need in asked) and subject not in SYNC
        ):
            continue
        obstacles = _obstacles(evidence, subject, topics)
        if obstacles:
            refused[subject] = _said(evidence, *next(iter(obstacles.items())))
            if not obstacles.keys() & set(topics):
                flawed[subject] = sum(1 - cell.kept_rules / max(1, cell.asked) for cell in obstacles.values())
        elif isinstance(found := _ratios(evidence, subject, points), str):
            refused[subject] = found
        else:
            ratios[subject] = found
    rows = _rows(evidence, ratios, points)
    if rows:
        return Answer(asked, points, rows, refused, cheaper=_cheaper(evidence, rows, flawed, points))
    return Answer(asked, points, rows, refused, nearest=_nearest(evidence, flawed, points))


def _rows(evidence: Evidence, ratios: dict[str, Spread], points: Sequence[str]) -> tuple[Row, ...]:
    groups = reading.tiers(ratios, reading.noise(evidence.cost))
    return tuple(
        Row(subject, index, ratios[subject], tuple(_figure(evidence, point, subject) for point in points))
        for index, group in enumerate(groups)
        for subject in group.names
    )


def _cheaper(
    evidence: Evidence, rows: Sequence[Row], flawed: Iterable[str], points: Sequence[str]
) -> tuple[Row, ...]:
    least = min(row.ratio.low for row in rows) * (1 - reading.noise(evidence.cost))
    measured = _measured(evidence, flawed, points)
    return tuple(row for row in _rows(evidence, measured, points) if row.ratio.high < least)


def _nearest(evidence: Evidence, flawed: dict[str, float], points: Sequence[str]) -> tuple[Row, ...]:
    """The cheapest of those that break least. flawed: the shares broken of each topic, added up."""
    fewest = min(flawed.values(), default=0)
    near = [subject for subject, flaws in flawed.items() if flaws == fewest]
    measured = _measured(evidence, near, points)
    return tuple(row for row in _rows(evidence, measured, points) if row.group == 0)


def _obstacles(evidence: Evidence, subject: str, topics: Sequence[str]) -> dict[str, Cell]:
    """The topics whose rules the subject does not keep.

    What was not or could not be measured, such as a rule that needs settings which another proxy does not
    have, is in the way only if it was asked for.
    """
    cells = {topic: evidence.behaviour.cell(subject, topic) for topic in (*topics, *BASE)}
    return {
        topic: cell
        for topic, cell in cells.items()
        if not cell.kept and (cell.result not in {UNKNOWN, NOT_OFFERED} or topic in topics)
    }


def _said(evidence: Evidence, topic: str, cell: Cell) -> str:
    title = next((known.title for known in evidence.behaviour.topics if known.id == topic), topic)
    return f"{title}: {cell.result}{f' ({cell.evidence})' if cell.evidence else ''}"


def _measured(evidence: Evidence, subjects: Iterable[str], points: Sequence[str]) -> dict[str, Spread]:
    """The ratios of those that were measured at every point."""
    found = {subject: _ratios(evidence, subject, points) for subject in subjects}
    return {subject: ratio for subject, ratio in found.items() if not isinstance(ratio, str)}


def _ratios(evidence: Evidence, subject: str, points: Sequence[str]) -> Spread | str:
    """The geometric mean over the points of the ratio to aiohttp, by its range over the rounds."""
    found = []
    for point in points:
        if reason := reading.failure(evidence.cost, point, subject):
            return f"{point}: {reason}"
        ratio = reading.ratio(evidence.cost, point, subject, metric(point))
        if ratio is None:
            served = reading.figure(evidence.cost, point, subject, reading.rate)
            return f"{point}: served only {served.median:,.0f}/s" if served else f"{point}: not measured"
        found.append(ratio)

    def mean(values: Iterable[float]) -> float:
        logs = [math.log(value) for value in values]
        return math.exp(sum(logs) / len(logs))

    low, high = mean(ratio.low for ratio in found), mean(ratio.high for ratio in found)
    both = spread([low, mean(ratio.median for ratio in found), high])
    assert both is not None
    return both


def metric(point: str) -> reading.Read:
    """What is compared at a point."""
    return reading.latency("p99") if _open(point) else reading.cpu


def _open(point: str) -> bool:
    return point.startswith("arrivals-")


def _figure(evidence: Evidence, point: str, subject: str) -> str:
    value = reading.figure(evidence.cost, point, subject, metric(point))
    if value is None:
        return "-"
    return f"p99 {value.median:,.1f} ms" if _open(point) else f"{value.median:,.0f} us"
