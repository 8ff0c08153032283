"""What is measured in which order, and what fits into a given time. Pure; must not start anything."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from ..plan import Cell
from ..proxies import Peer
from ..samples import Sample
from ..workloads import Workload

#: The reference of all ratios, and the same once more: how far the two are apart is the noise.
REFERENCE = "aiohttp"
CONTROL = "aiohttp-again"
MOST_ROUNDS = 3


def order(
    peers: Sequence[Peer], points: Sequence[Workload], rounds: int, seed: int, *, direct: bool = True
) -> list[Cell]:
    """All cells: in each round, at each point, every subject in a fresh random order.

    One that lacks what a point needs is left out there. `direct`: in the first round the origin is also
    loaded without anything between, to know what generator and origin can do.
    """
    shuffler = random.Random(seed)
    cells: list[Cell] = []
    for index in range(rounds):
        for point in points:
            shape = point.parts["main"]
            here: list[Peer | None] = [peer for peer in peers if shape.needs() <= peer.features]
            shuffler.shuffle(here)
            if direct and index == 0 and not shape.origin_tls:
                here.insert(0, None)
            cells += [Cell(index, place, point, "main", peer) for place, peer in enumerate(here)]
    return cells


def fit(
    points: Sequence[Workload], subjects: int, budget: float, seconds: float, warm: float
) -> tuple[int, int]:
    """How many of the points (taken from the first) and how many rounds fit into `budget` seconds.

    Always the first point and one round; further rounds only once all points fit.
    """
    costs = [estimate(point, seconds, warm) * subjects for point in points]
    taken = 1
    while taken < len(points) and sum(costs[: taken + 1]) <= budget:
        taken += 1
    once = sum(costs[:taken])
    rounds = 1 if taken < len(points) else max(1, min(MOST_ROUNDS, int(budget // once)))
    return taken, rounds


def estimate(point: Workload, seconds: float, warm: float) -> float:
    """Seconds that one subject takes at one point."""
    return Cell(0, 0, point, "main", None).estimate(seconds, warm) + SUBJECT_START


#: A fresh process with a framework in it, until its first answer, and its end.
SUBJECT_START = 1.2


def left(cells: Sequence[Cell], samples: Iterable[Sample]) -> list[Cell]:
    """What an interrupted run still has to do: first the cells without a sample, then those that were
    disturbed.
    """
    there = {key(sample): sample.disturbed for sample in samples}
    missing = [cell for cell in cells if key(cell) not in there]
    return missing + [cell for cell in cells if there.get(key(cell))]


def key(made: Cell | Sample) -> tuple[int, str, str, str]:
    """What a cell and its sample have in common."""
    if isinstance(made, Sample):
        return made.round, made.workload, made.part, made.peer
    return made.round, made.workload.name, made.part, made.name
