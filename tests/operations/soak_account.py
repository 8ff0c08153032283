"""What clients saw, what happened meanwhile, and which of it explains which.

It must not know how a client or an event is made; names are all it has of them.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..reliability.caller import Answer, CutError
from .soak_settings import BREAKER_LONGEST
from .traffic import Tally

_AROUND = 5.0  # seconds
_PROBLEM = re.compile(rb"urn:downstream-proxy:problem:([a-z-]+)")


@dataclass
class Event:
    """Something done to the proxy or what is behind it. Times are time.monotonic() seconds."""

    kind: str
    what: str
    at: float
    until: float = float("inf")


class Timeline:
    """All that was done."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pulses: list[
            tuple[float, float]
        ] = []  # when, and seconds that the proxy took to say it is there
        self.began = time.monotonic()

    def note(self, kind: str, what: str) -> None:
        now = time.monotonic()
        self.events.append(Event(kind, what, now, now))

    @contextmanager
    def during(self, kind: str, what: str) -> Iterator[None]:
        event = Event(kind, what, time.monotonic())
        self.events.append(event)
        try:
            yield
        finally:
            event.until = time.monotonic()

    def held(self, kind: str, moment: float, after: float) -> bool:
        """Whether one of these was under way at this moment, or had ended no longer ago than `after`. Where
        everything takes long, because the machine is busy, so may that."""
        after += self.slowness(moment)
        return any(e.kind == kind and e.at <= moment <= e.until + after for e in self.events)

    def slowness(self, moment: float) -> float:
        """The longest that the proxy took around this moment to say that it is there."""
        return max((took for at, took in self.pulses if abs(at - moment) < _AROUND), default=0.0)

    def times(self, kind: str) -> int:
        return sum(event.kind == kind for event in self.events)


@dataclass(frozen=True)
class Rule:
    """Clients that match may see what matches while such an event lasts, and `after` seconds more."""

    clients: str
    seen: str
    event: str
    after: float
    why: str


_BODIES = "download.*|events|chunked|gzip|upper.*|range|unverified.*|HEAD"
_ENDED = "closed-before-head|stale-connection|request-not-taken|response-incomplete"
EXPLAINED = (
    Rule("POST.*|upload", f"502 ({_ENDED})|cut.*", "kill", 1.0, "its origin died, and it is not sent twice"),
    Rule("slow upload", f"502 ({_ENDED})|cut.*", "kill", 3.0, "the same; it looks for its answer at its end"),
    Rule(_BODIES, "cut after .*", "kill", 1.0, "died within the body"),
    Rule("slow reader", "cut after .*", "kill", 8.0, "died within the body; what was on its way came first"),
    Rule(
        "buffered", "502 response-incomplete", "kill", 1.0, "died within the body, of which nothing was out"
    ),
    Rule("WebSocket", f"502 ({_ENDED})|closed (1006|1011|1012|1014)", "kill", 1.0, "its origin died"),
    Rule("WebSocket", "closed 1001", "restart", 0.0, "told to go to the new process"),
    Rule(
        "mutual TLS",
        f"502 ({_ENDED}|connection-refused|tls-protocol)",
        "down",
        1.0,
        "has one origin, and that is down",
    ),
    Rule("mutual TLS", "503 circuit-open", "down", 1.3 * BREAKER_LONGEST + 1, "the breaker, behind the same"),
    Rule("limited.*", "503 rate-limit-unavailable", "redis", 2.0, "nobody counts, and `outage` is closed"),
    Rule("sticky|keyed", "moved", "down", 15.0, "its origin was down, or is back"),
    Rule("sticky|keyed", "moved", "reload", 5.0, "which origin is out is learned again"),
    Rule("sticky|keyed", "moved", "restart", 5.0, "which origin is out is learned again"),
)
"""All that may go wrong for a client, and why."""

LOG = (
    ("the configuration stays as it is: ", "broken file", 5.0),
    ("rate limits cannot be counted ", "redis", 5.0),
)
"""Errors that the proxy's own log may have, and the event that it has them from."""


@dataclass(frozen=True)
class Sight:
    """One thing a client saw that is neither right nor a refusal that it asked for."""

    at: float
    kind: str
    request: str
    seen: str


@dataclass
class Row:
    """One kind of client."""

    asked: int = 0
    right: int = 0
    refused: int = 0
    explained: int = 0
    unexplained: int = 0


class Account:
    """Counts by kind of client, and keeps what is not as it should be."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.right: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.sights: list[Sight] = []

    def see(self, kind: str, request: str, seen: str) -> None:
        self.sights.append(Sight(time.monotonic(), kind, request, seen))

    def explanation(self, sight: Sight) -> str:
        """Why it may be so; empty when it may not."""
        for rule in EXPLAINED:
            if (
                re.fullmatch(rule.clients, sight.kind)
                and re.fullmatch(rule.seen, sight.seen)
                and self.timeline.held(rule.event, sight.at, rule.after)
            ):
                return rule.why
        return ""

    def unexplained(self) -> dict[tuple[str, str], list[Sight]]:
        """By client and what it saw."""
        found: dict[tuple[str, str], list[Sight]] = {}
        for sight in self.sights:
            if not self.explanation(sight):
                found.setdefault((sight.kind, sight.seen), []).append(sight)
        return found

    def rows(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for counted, name in ((self.right, "right"), (self.refused, "refused")):
            for kind, times in counted.items():
                setattr(rows.setdefault(kind, Row()), name, times)
        for sight in self.sights:
            row = rows.setdefault(sight.kind, Row())
            if self.explanation(sight):
                row.explained += 1
            else:
                row.unexplained += 1
        for row in rows.values():
            row.asked = row.right + row.refused + row.explained + row.unexplained
        return rows

    def why(self) -> Counter[tuple[str, str, str]]:
        """What was seen and explained: client, sight, reason. Where a body was cut makes no difference."""
        found: Counter[tuple[str, str, str]] = Counter()
        for sight in self.sights:
            if why := self.explanation(sight):
                found[sight.kind, re.sub(r"after \d+ bytes", "within the body", sight.seen), why] += 1
        return found


class Accounted(Tally):
    """What `tests.operations.traffic` counts, in this account."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account
        self.answered = account.right

    def lose(self, kind: str, how: object) -> None:
        self.account.see(kind, "", described(how))


def described(how: object) -> str:
    """A failure in the words of the table: what was seen, without what differs from time to time."""
    if isinstance(how, CutError):
        return "cut before the head" if how.answer is None else f"cut after {how.answer.content.size} bytes"
    if isinstance(how, Answer):
        how = (how.status, how.body)
    if isinstance(how, tuple):
        status, body = how
        found = _PROBLEM.search(body)
        return f"{status} {found[1].decode() if found else f'{bytes(body[:60])!r}'}"
    return type(how).__name__ + (f": {how}" if str(how) else "")
