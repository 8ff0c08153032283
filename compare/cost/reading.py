"""Figures read out of the samples of a cost run, with what may be said of them. Pure.

Must not know how anything is shown. A figure is the median over the rounds with the smallest and largest; a
ratio is taken within a round. Two subjects are told apart only when the difference is larger than the noise:
what the reference, measured twice in each round, differs from itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..results import Results
from ..samples import Sample
from ..stats import Spread, paired_ratios, spread
from .plan import CONTROL, REFERENCE

Read = Callable[[Sample], float | None]

#: With fewer answers a p99.9 is the single slowest one.
ENOUGH_FOR_P999 = 1000
#: The rate counts as kept when so much of it was sent and answered.
KEPT = 0.95
#: What two equal things differ at least on a machine that nobody has silenced.
LEAST_NOISE = 0.03
#: Without a second round nobody knows the range of a figure.
ONE_ROUND_NOISE = 0.15


def cpu(sample: Sample) -> float | None:
    return sample.cpu_us


def rate(sample: Sample) -> float | None:
    return sample.rate


def loaded_mib(sample: Sample) -> float | None:
    value = sample.memory.get("loaded")
    return None if value is None else value / 1024


def latency(name: str) -> Read:
    """Of an open loop whose rate was kept; otherwise it only says how long the run was."""

    def read(sample: Sample) -> float | None:
        if not kept(sample) or (name == "p999" and sample.requests < ENOUGH_FOR_P999):
            return None
        return sample.latency_ms.get(name)

    return read


def neighbour(name: str) -> Read:
    return lambda sample: sample.neighbour_ms.get(name)


def kept(sample: Sample) -> bool:
    """True when the arrivals asked for were served."""
    asked = sample.open_loop.get("asked_rate", 0.0)
    return bool(asked) and sample.open_loop["rate"] >= KEPT * asked


def figure(results: Results, point: str, subject: str, read: Read) -> Spread | None:
    """Over the rounds, from valid samples."""
    return spread(_by_round(results.samples, point, subject, read).values())


def ratio(results: Results, point: str, subject: str, read: Read, to: str = REFERENCE) -> Spread | None:
    """Subject to reference, round by round."""
    values = (_by_round(results.samples, point, name, read) for name in (subject, to))
    return spread(paired_ratios(*values))


def failure(results: Results, point: str, subject: str) -> str | None:
    """Why there is no figure at this point, if so: the first sample's own words."""
    for sample in results.samples:
        if (sample.workload, sample.peer) == (point, subject) and not sample.valid:
            return sample.error or f"{sample.failed:,} of {sample.requests:,} requests failed"
    return None


def noise(results: Results, read: Read = cpu) -> float:
    """How far the control was from the reference: the median over points of the largest distance from 1."""
    points = dict.fromkeys(sample.workload for sample in results.samples)
    found = [
        max(abs(ratios.low - 1), abs(ratios.high - 1))
        for point in points
        if (ratios := ratio(results, point, CONTROL, read))
    ]
    once = len({sample.round for sample in results.samples}) < 2
    return max(ONE_ROUND_NOISE if once else LEAST_NOISE, statistics.median(found) if found else 0.0)


def _by_round(samples: Iterable[Sample], point: str, subject: str, read: Read) -> dict[int, float]:
    return {
        sample.round: value
        for sample in samples
        if (sample.workload, sample.peer) == (point, subject) and sample.valid
        if (value := read(sample)) is not None
    }


@dataclass(frozen=True, slots=True)
class Tier:
    """Subjects that cannot be told apart, by name; `best` is the smallest median among them."""

    names: tuple[str, ...]
    best: float


def tiers(values: Mapping[str, Spread], noise: float) -> list[Tier]:
    """Subjects from cheap to dear, in groups inside which the order means nothing.

    A group starts with the cheapest that is left and takes in everybody whose median is inside that one's
    range, widened by the noise. One lucky round is not enough.
    """
    waiting = sorted(values, key=lambda name: (values[name].median, name))
    found: list[Tier] = []
    while waiting:
        first = values[waiting[0]]
        group = [name for name in waiting if values[name].median <= first.high * (1 + noise)]
        found.append(Tier(tuple(sorted(group)), first.median))
        waiting = [name for name in waiting if name not in group]
    return found


def word(ratios: Spread | None, noise: float) -> str:
    """`cheaper`, `dearer` or `same` than the reference; empty when not measured."""
    if ratios is None:
        return ""
    if ratios.high < 1 - noise:
        return "cheaper"
    return "dearer" if ratios.low > 1 + noise else "same"


def subjects(results: Results) -> Sequence[str]:
    """Those that took part, without the control."""
    return [name for name in results.peers if name != CONTROL]
