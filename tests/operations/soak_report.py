"""What a soak has found, in tables and lines. It must not know how it was found."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .soak_account import LOG, Account, Sight, Timeline

COLUMNS = ("backend", "client", "asked", "answered right", "refused as expected", "explained", "unexplained")
GROWTH_KIB = 64 * 1024
_AROUND = 1.0
_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d ", re.MULTILINE)


@dataclass
class Soaked:
    """One run. growth: KiB of the workers' memory, from a third of the time to its end."""

    backend: str
    seconds: float
    account: Account
    growth: int = 0
    rss: list[int] = field(default_factory=list)
    spans: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                self.backend,
                kind,
                *(f"{n:,}" for n in (r.asked, r.right, r.refused, r.explained, r.unexplained)),
            )
            for kind, r in self.account.rows().items()
        ]

    def events(self) -> str:
        """What happened meanwhile, in a line."""
        kinds = {
            "kill": "origins killed",
            "reload": "reloads",
            "broken file": "broken files",
            "restart": "SIGUSR2",
            "redis": "Redis restarted",
        }
        times = ", ".join(f"{self.account.timeline.times(kind)} x {what}" for kind, what in kinds.items())
        slowest = f"healthy in {max(took for _, took in self.account.timeline.pulses):.2f} s at most"
        memory = f"{self.growth / 1024:+.1f} MiB of memory over the last two thirds"
        return f"{self.backend}, {self.seconds:.0f} s: {times}; {self.spans:,} spans; {memory}; {slowest}."


def growth(rss: list[int]) -> int:
    """KiB from the samples behind the first third to the last ones, each at their median."""
    part = max(1, len(rss) // 12)
    third = len(rss) // 3
    early, late = sorted(rss[third : third + part]), sorted(rss[-part:])
    return late[len(late) // 2] - early[len(early) // 2]


def logged(log: str, timeline: Timeline) -> Iterator[str]:
    """What in the proxy's log is wrong: tracebacks, and errors that no event explains."""
    offset = time.time() - time.monotonic()
    for line in log.splitlines():
        if "Traceback" in line or re.search(r" (?:ERROR|CRITICAL) ", line):
            at = _at(line) - offset if _at(line) else None
            if at is None or not any(
                text in line and timeline.held(event, at + 0.05, after + 0.05) for text, event, after in LOG
            ):
                yield _whole(log, log.index(line))


def _whole(log: str, start: int) -> str:
    """The entry that begins there, with the lines that belong to it."""
    following = _ENTRY.search(log, start + 1)
    return log[start : following.start() if following else len(log)].strip()[:2000]


def _at(line: str) -> float:
    """Seconds since the epoch of a log line; 0 when it has none."""
    try:
        return time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")) + int(line[20:23]) / 1000
    except ValueError:
        return 0.0


def told(sight: Sight, timeline: Timeline, log: str, access_log: Path) -> str:
    """One unexplained sight with all that is known of it."""
    offset = time.time() - time.monotonic()
    lines = [f"{sight.at - timeline.began:.3f} s: {sight.kind} {sight.request or '(no id)'}: {sight.seen}"]
    for event in timeline.events:
        if event.at - 2 <= sight.at <= event.until + 5:
            until = f"{event.until - timeline.began:.3f}" if event.until != float("inf") else ""
            lines.append(f"    {event.kind} ({event.what}): {event.at - timeline.began:.3f} to {until} s")
    if sight.request:
        lines += [
            f"    {line}" for line in access_log.read_text().splitlines() if _is_of(line, sight.request)
        ]
    for line in log.splitlines():
        at = _at(line)
        if at and abs(at - offset - sight.at) < _AROUND and " DEBUG " not in line:
            lines.append(f"    {line}")
    return "\n".join(lines[:30])


def _is_of(line: str, request: str) -> bool:
    if request not in line:
        return False
    try:
        return bool(json.loads(line).get("request_id") == request)
    except ValueError:
        return True
