"""Which core does what: the proxy alone on one side, load and origin on the other. Pure but for one read.

Must not know the programs.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """The cores of each side. `shared` is true when one core has to do for both."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]
    shared: bool

    def for_workers(self, workers: int) -> tuple[int, ...]:
        """Where a proxy of so many workers runs: one core per worker if there are enough."""
        return self.proxy[:workers] if workers <= len(self.proxy) else self.proxy[:1]


def layout(available: Collection[int] | None = None) -> Layout:
    """First core: proxy. Second core: generator and origin. With four or more, two for each side."""
    cores = sorted(os.sched_getaffinity(0) if available is None else available)
    if len(cores) == 1:
        return Layout((cores[0],), (cores[0],), shared=True)
    if len(cores) < 4:
        return Layout((cores[0],), (cores[1],), shared=False)
    return Layout((cores[0], cores[1]), (cores[2], cores[3]), shared=False)
