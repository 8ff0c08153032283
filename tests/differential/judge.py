"""What may become of an input: the same on both backends, and never more requests than the client meant.

It must not know how inputs are made or sent.
"""

from __future__ import annotations

from .inputs import Input
from .meaning import End, meaning
from .runner import Outcome

ALLOWED_5XX = frozenset({501, 505, 508})


def differences(outcomes: dict[str, Outcome]) -> list[str]:
    """In what the backends differ. What the contract allows them (its differences.py) is in no outcome."""
    (a, first), *rest = outcomes.items()
    return [
        f"{part} differ:\n    {a}: {getattr(first, part)!r}\n    {b}: {getattr(other, part)!r}"
        for b, other in rest
        for part in ("answers", "broken", "kept", "seen", "whole", "odd")
        if getattr(first, part) != getattr(other, part)
    ]


def faults(item: Input, outcome: Outcome) -> list[str]:
    """What is wrong with one backend's answer, whatever the other did."""
    meant = meaning(item.data)
    found = []
    if outcome.broken:
        found.append(f"an answer is broken: {outcome.broken}")
    if outcome.odd:
        found.append(f"the downstream got no HTTP: {outcome.odd}")
    whole = sum(outcome.whole)
    if whole > len(meant.requests):
        found.append(
            f"smuggled: {whole} requests downstream, and {len(meant.requests)} in the client's bytes"
        )
    statuses = [answer.status for answer in outcome.answers]
    found += [f"the client's bytes cause {n}" for n in statuses if n >= 500 and n not in ALLOWED_5XX]
    if meant.end is not End.COMPLETE and outcome.kept:
        found.append("the connection went on behind its end")
    # An answer of unknown length to HTTP/1.0 can only be ended by closing; what comes behind is not read.
    may_end = b"HTTP/1.0" in item.data and any(
        (b"Connection", b"close") in a.headers for a in outcome.answers
    )
    refused = outcome.answers and outcome.answers[-1].status >= 400
    if meant.end is End.MALFORMED and not refused and not may_end:
        found.append("malformed bytes were not refused")
    if item.asked is not None:
        if [(a.method, a.body) for a in meant.requests] != [(a.method, a.body) for a in item.asked]:
            found.append(f"the generator and the oracle disagree: {item.asked!r} and {meant.requests!r}")
        seen = [request for raw in outcome.seen for request in meaning(raw).requests]
        if seen != list(item.asked):
            found.append(f"meant {item.asked!r}, and the downstream saw {seen!r}")
        if outcome.whole != (True,) * len(item.asked):
            found.append(f"{len(item.asked)} requests meant, {whole} reached the downstream")
        if outcome.kept != (meant.end is End.COMPLETE) and not may_end:
            found.append(f"the connection was {'kept' if outcome.kept else 'closed'}")
    return found
