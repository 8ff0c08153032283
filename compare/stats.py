"""Small statistics: medians, spreads, ratios within a round, percentiles. Pure.

Must not know what is measured, by whom, or how it is shown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values with their smallest and largest; `count` says how many."""

    median: float
    low: float
    high: float
    count: int

    @property
    def relative(self) -> float:
        """(high - low) / median: 0.1 means the values lie within ten per cent."""
        return (self.high - self.low) / self.median if self.median else math.inf


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of the values, or None when there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Spread(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))


def paired_ratios(subject: Mapping[int, float], reference: Mapping[int, float]) -> list[float]:
    """subject / reference for each round in which both were measured, in round order.

    A ratio within a round is steadier than a ratio of medians: what slows the machine
    for a minute slows both sides of the same round.
    """
    rounds = sorted(subject.keys() & reference.keys())
    return [subject[index] / reference[index] for index in rounds if reference[index] > 0]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values sorted upwards; `share` is 0..1.

    Raises ValueError when there are no values.
    """
    if not ordered:
        raise ValueError("no values")
    rank = max(1, math.ceil(share * len(ordered)))
    return ordered[min(rank, len(ordered)) - 1]


def correct_omission(latencies: Iterable[float], interval: float) -> tuple[list[float], int]:
    """Add the requests that a busy connection could not send in time (coordinated omission).

    `interval` is the time between two requests of one connection. A request that took
    longer held up those due meanwhile; each of them would have waited for the rest of
    that time. This is the rule of HdrHistogram's recordValueWithExpectedInterval.
    Returns all latencies sorted upwards, and how many of them were added.
    """
    if interval <= 0:
        raise ValueError("interval must be positive")
    measured = list(latencies)
    added: list[float] = []
    for value in measured:
        missing = value - interval
        while missing > 0:
            added.append(missing)
            missing -= interval
    return sorted(measured + added), len(added)
