"""What the comparison must show, as data, and the verdict on measured samples. Pure.

Must not know how samples are made or shown. A sample is one measurement of one peer in one
round (see samples.py); a bound speaks of the median of the ratios within each round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .samples import Sample
from .stats import Spread, paired_ratios, spread

Metric = Literal["cpu_us", "p99_ms"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a ratio: a peer and the part of the workload."""

    peer: str
    part: str = "main"


@dataclass(frozen=True, slots=True)
class Bound:
    """`subject` may cost at most `at_most` times `reference`, in the same workload."""

    workload: str
    subject: Side
    reference: Side
    at_most: float
    metric: Metric = "cpu_us"

    def label(self) -> str:
        """Who beside whom, in a few words."""
        if self.subject.peer == self.reference.peer:
            return f"{self.subject.peer}: {self.subject.part} / {self.reference.part}"
        return f"{self.subject.peer} / {self.reference.peer}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ratios found; `met` is None when there was nothing to compare."""

    bound: Bound
    ratios: Spread | None

    @property
    def met(self) -> bool | None:
        return None if self.ratios is None else self.ratios.median <= self.bound.at_most

    @property
    def settled(self) -> bool:
        """True when every single round says the same as the median."""
        if self.ratios is None:
            return False
        limit = self.bound.at_most
        return self.ratios.high <= limit or self.ratios.low > limit


def _pair(workload: str, subject: str, reference: str, at_most: float, metric: Metric = "cpu_us") -> Bound:
    return Bound(workload, Side(subject), Side(reference), at_most, metric)


def _grown(workload: str, at_most: float) -> list[Bound]:
    return [
        Bound(workload, Side(peer, "grown"), Side(peer, "base"), at_most) for peer in ("aiohttp", "fastapi")
    ]


BOUNDS: tuple[Bound, ...] = (
    _pair("get-1k", "aiohttp", "caddy", 1.0),
    _pair("get-1k", "fastapi", "aiohttp", 1.5),
    _pair("get-1k", "aiohttp", "fastapi-httpx", 1 / 15),
    _pair("get-1k", "fastapi", "fastapi-httpx", 1 / 15),
    _pair("get-1k", "aiohttp", "fastapi-proxy-lib", 1 / 25),
    _pair("get-1k", "fastapi", "fastapi-proxy-lib", 1 / 25),
    _pair("get-64k", "aiohttp", "caddy", 0.9),
    _pair("get-64k", "fastapi", "aiohttp", 1.4),
    _pair("get-1m", "aiohttp", "nginx", 0.8),
    _pair("get-1m", "aiohttp", "caddy", 0.9),
    _pair("get-1m", "fastapi", "aiohttp", 1.2),
    _pair("post-64k", "aiohttp", "caddy", 1.0),
    _pair("post-64k", "fastapi", "aiohttp", 1.4),
    _pair("p99", "aiohttp", "caddy", 1.0, "p99_ms"),
    _pair("p99", "fastapi", "aiohttp", 1.5, "p99_ms"),
    *_grown("inflight-1000", 1.3),
    *_grown("routes-1000", 1.05),
    *_grown("idle-10000", 1.1),
    *_grown("workers-2", 1.1),
    _pair("tls", "aiohttp", "caddy", 1.0),
    _pair("tls", "fastapi", "aiohttp", 1.5),
)


def values(samples: Iterable[Sample], workload: str, side: Side, metric: Metric) -> dict[int, float]:
    """The metric of one side by round, from valid samples only."""
    found: dict[int, float] = {}
    for sample in samples:
        if (sample.workload, sample.peer, sample.part) == (workload, side.peer, side.part) and sample.valid:
            value = sample.cpu_us if metric == "cpu_us" else sample.latency_ms.get("p99")
            if value is not None:
                found[sample.round] = value
    return found


def judge(bound: Bound, samples: Iterable[Sample]) -> Verdict:
    """Compare the two sides round by round."""
    listed = list(samples)
    subject = values(listed, bound.workload, bound.subject, bound.metric)
    reference = values(listed, bound.workload, bound.reference, bound.metric)
    return Verdict(bound, spread(paired_ratios(subject, reference)))
