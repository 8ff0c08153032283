"""Progress on stderr with the time left: a bar on a terminal, one line per step elsewhere.

Redrawn once a second at most, as drawing takes time from the load's core.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from .plan import Cell
from .samples import Sample


def duration(seconds: float) -> str:
    """As a person says it: 40 s, 12 min."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Progress:
    """Counts steps against their estimated seconds; the time left follows the real pace."""

    def __init__(self, estimates: Sequence[float]) -> None:
        self._estimates = list(estimates)
        self._done = 0
        self._started = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]} left"),
            console=self._console,
            refresh_per_second=1,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        self._bar.start()
        left = duration(sum(self._estimates))
        self._task = self._bar.add_task("measuring", total=len(self._estimates), left=left)
        self.say(f"{len(self._estimates)} measurements, about {left}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line, above the bar if there is one."""
        self._console.print(text, markup=False, soft_wrap=True)

    def left(self) -> float:
        """Seconds left at the pace so far."""
        past = sum(self._estimates[: self._done])
        pace = (time.monotonic() - self._started) / past if past else 1.0
        return pace * sum(self._estimates[self._done :])

    def step(self, cell: Cell, sample: Sample) -> None:
        """A measurement is there."""
        self._done += 1
        left = duration(self.left())
        assert self._task is not None
        self._bar.update(self._task, completed=self._done, left=left, description=cell.workload.name)
        part = "" if cell.part == "main" else f" {cell.part}"
        place = f"[{self._done}/{len(self._estimates)}] round {cell.round + 1}"
        self.say(f"{place} {cell.workload.name}{part} {cell.name}: {summary(sample)}; {left} left")


def summary(sample: Sample) -> str:
    """The main figures of a sample in a few words."""
    if sample.error:
        return f"failed: {sample.error}"
    if "rss" in sample.memory:
        return f"{sample.memory['rss'] / 1024:.1f} MiB at rest"
    parts = []
    if sample.cpu_us is not None:
        parts.append(f"{sample.cpu_us:.1f} us")
    if sample.open_loop:
        parts.append(f"p99 {sample.latency_ms['p99']:.2f} ms at {sample.open_loop['rate']:,.0f}/s")
    else:
        parts.append(f"{sample.rate:,.0f}/s")
    if sample.failed:
        parts.append(f"{sample.failed} failed")
    return ", ".join(parts)
