"""What the tests of each rule said about a server, and what that amounts to.

A rule is judged in parts: what an RFC demands apart from what this contract decided beyond it, because a
server that leaves the second undone breaks no standard. It must not know pytest, terminals or files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from downstream_proxy.contract import RULES, Basis, Rule

KEPT, BROKEN, NOT_OFFERED, SKIPPED, NOT_RUN = "kept", "broken", "not offered", "skipped", "not run"
ORDER = {basis: place for place, basis in enumerate(Basis)}


@dataclass
class Failure:
    """A test that failed. expected, got: one line each. wire: what was sent and received, lines. again: shell
    lines that do it again."""

    test: str
    expected: str
    got: str
    wire: str = ""
    again: list[str] = field(default_factory=list)


@dataclass
class Part:
    """What the tests of one rule that stand on one basis said."""

    rule: Rule
    basis: Basis
    passed: int = 0
    skipped: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        if self.failures:
            return NOT_OFFERED if self.basis is Basis.OWN else BROKEN
        if self.passed:
            return KEPT
        return SKIPPED if self.skipped or not self.rule.tested else NOT_RUN

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule.id,
            "level": self.rule.level.value,
            "basis": self.basis.value,
            "sentence": self.rule.sentence,
            "reference": self.rule.reference,
            "verdict": self.verdict,
            "tests_passed": self.passed,
            "seconds": round(self.seconds, 2),
            "skipped": sorted(self.skipped),
            "failures": [vars(failure) for failure in self.failures],
        }


class Scores:
    """The parts of all rules. A part comes into being with the first test of its basis."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, Basis], Part] = {}

    def part(self, rule: Rule, basis: Basis) -> Part:
        return self._parts.setdefault((rule.id, basis), Part(rule, basis))

    def all(self) -> list[Part]:
        """In the order of the contract. A rule that no test reached has one part."""
        for rule in RULES.values():
            if not any(name == rule.id for name, _ in self._parts):
                self.part(rule, rule.ground)
        place = {name: n for n, name in enumerate(RULES)}
        return sorted(self._parts.values(), key=lambda part: (place[part.rule.id], ORDER[part.basis]))


def counts(parts: Iterable[Part]) -> dict[str, dict[str, int]]:
    """Parts by basis and verdict."""
    found: dict[str, dict[str, int]] = {basis.value: {} for basis in Basis}
    for part in parts:
        row = found[part.basis.value]
        row[part.verdict] = row.get(part.verdict, 0) + 1
    return found


def summary(parts: Iterable[Part]) -> str:
    """The counts in one line."""
    found = counts(parts)

    def told(basis: Basis, bad: str) -> str:
        row = found[basis.value]
        return f"{row.get(KEPT, 0)} kept, {row.get(bad, 0)} {bad}"

    skipped = sum(row.get(SKIPPED, 0) for row in found.values())
    return (
        f"RFC MUST: {told(Basis.RFC_MUST, BROKEN)}; RFC SHOULD: {told(Basis.RFC_SHOULD, BROKEN)}; "
        f"decisions of this contract: {told(Basis.OWN, NOT_OFFERED)}; {skipped} skipped"
    )
