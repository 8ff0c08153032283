"""What is measured in which order, and about how long it takes. Pure; must not start anything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .proxies import DIRECT, Peer
from .workloads import Shape, Workload

#: Seconds around the measured ones: start of the proxy and first answer, end of it.
AROUND = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement to make. `peer` is None for a run against the origin itself."""

    round: int
    order: int
    workload: Workload
    part: str
    peer: Peer | None

    @property
    def shape(self) -> Shape:
        return self.workload.parts[self.part]

    @property
    def name(self) -> str:
        return self.peer.name if self.peer else DIRECT

    def estimate(self, seconds: float, warm: float) -> float:
        """Seconds that it takes, roughly."""
        if self.shape.kind == "memory":
            return AROUND + 4
        if self.shape.kind == "cost":
            longer = self.shape.rate or self.shape.inflight >= 1000 or self.shape.late_ms >= 100
            return 0.3 + warm + seconds * (2 if longer else 1)
        measured = (warm + seconds) * (2 if self.shape.kind == "open" else 1)
        return (AROUND if self.peer else 0.2) + measured + self.shape.idle / 2500


def order(
    peers: Sequence[Peer], workloads: Sequence[Workload], rounds: int, seed: int, *, chosen: bool
) -> list[Cell]:
    """All cells. Within a round each workload is done by every peer in a fresh random order.

    `chosen` means that the user named the peers, so a workload's own selection does not apply. A peer
    that lacks a feature that any part of the workload needs is left out of that workload.
    """
    shuffler = random.Random(seed)
    cells: list[Cell] = []
    for index in range(rounds):
        for workload in workloads:
            needed = frozenset[str]().union(*(shape.needs() for shape in workload.parts.values()))
            pairs: list[tuple[str, Peer | None]] = []
            for peer in peers:
                wanted = chosen or workload.peers is None or peer.name in workload.peers
                if wanted and needed <= peer.features:
                    pairs += [(part, peer) for part in workload.parts]
            if pairs and workload.core and all(shape.kind == "closed" for shape in workload.parts.values()):
                pairs.append(("main", None))
            shuffler.shuffle(pairs)
            cells += [Cell(index, place, workload, part, peer) for place, (part, peer) in enumerate(pairs)]
    return cells
