"""Which of several addresses is asked next. Pure: candidates in, one out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """Something with requests in flight."""

    @property
    def inflight(self) -> int: ...


T = TypeVar("T", bound=Loaded)
C = TypeVar("C")
Draw = Callable[[], float]
"""A number from 0 up to but not including 1."""


def power_of_two(candidates: Sequence[T], draw: Draw = random.random) -> T:
    """Of two drawn at random, the one with fewer requests in flight.

    Nearly as even as asking the least loaded of all, without the herd: with several workers, each of which
    sees its own requests only, "the least loaded" is the same address for all of them.
    """
    count = len(candidates)
    if count == 1:
        return candidates[0]
    first = int(draw() * count)
    second = int(draw() * (count - 1))
    if second >= first:
        second += 1
    one, other = candidates[first], candidates[second]
    return one if one.inflight <= other.inflight else other


class RoundRobin:
    """Each in turn. Begins anywhere, so that several workers do not walk in step."""

    def __init__(self, draw: Draw = random.random) -> None:
        self._next = int(draw() * 1024)

    def __call__(self, candidates: Sequence[T]) -> T:
        self._next += 1
        return candidates[self._next % len(candidates)]


def thinned(candidates: Sequence[C], shares: Sequence[float], draw: Draw = random.random) -> Sequence[C]:
    """The candidates, each kept with the probability that is its share; all when none is left."""
    kept = [one for one, share in zip(candidates, shares, strict=True) if share >= 1.0 or draw() < share]
    return kept or candidates
