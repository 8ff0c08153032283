"""The stored results, read together: cost, behaviour, faults, claims, the two backends, other proxies.

Must not know what is concluded from them. A file that is not there leaves its part empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import paths
from ..results import COST, PROXIES, Results

KEPT = "kept"
PARTLY = "partly"
BROKEN = "broken"
NOT_OFFERED = "not offered"
ERROR = "error"
UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Cell:
    """What a subject does about a topic: `kept` of its `asked` rules, and what was seen where it keeps them
    not.
    """

    result: str
    evidence: str = ""
    kept_rules: int = 0
    asked: int = 0

    @property
    def kept(self) -> bool:
        return self.result == KEPT


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of the behaviour table; `rules` are the contract's, or names of probes where there is no
    rule.
    """

    id: str
    title: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Cells by subject and topic."""

    topics: tuple[Topic, ...] = ()
    cells: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)

    def cell(self, subject: str, topic: str) -> Cell:
        return self.cells.get(subject, {}).get(topic, Cell(UNKNOWN))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is stored."""

    cost: Results
    behaviour: Behaviour = field(default_factory=Behaviour)
    faults: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    sides: Mapping[str, Any] = field(default_factory=dict)
    proxies: Results | None = None

    def kind(self, subject: str) -> str:
        return self.cost.peers.get(subject, {}).get("kind", "")


def load(cost: Path = paths.COST) -> Evidence:
    """Raises FileNotFoundError without a cost file and ValueError for a file that is not what its name
    says.
    """
    return Evidence(
        cost=Results.read(cost, COST),
        behaviour=behaviour(_read(paths.BEHAVIOUR)),
        faults=_read(paths.FAULTS),
        claims=_read(paths.CLAIMS),
        sides=_read(paths.SIDES),
        proxies=Results.read(paths.PROXIES, PROXIES) if paths.PROXIES.exists() else None,
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    stored = json.loads(path.read_text())
    if not isinstance(stored, dict):
        raise ValueError(f"{path} is not an object")
    return stored


def behaviour(stored: Mapping[str, Any]) -> Behaviour:
    """The stored rules of every subject, gathered by topic."""
    topics = tuple(
        Topic(topic["id"], topic["title"], tuple(topic["rules"])) for topic in stored.get("rules", ())
    )
    cells = {
        subject: {topic.id: gathered(found, topic.rules) for topic in topics}
        for subject, found in stored.get("subjects", {}).items()
    }
    return Behaviour(topics, cells)


def gathered(found: Mapping[str, Mapping[str, str]], rules: Sequence[str]) -> Cell:
    """One cell for several rules: the worst of them has the word, and each that is not kept is told."""
    asked = [(rule, found[rule]) for rule in rules if rule in found]
    if not asked:
        return Cell(UNKNOWN)
    kept = sum(cell["outcome"] == KEPT for _, cell in asked)
    told = "; ".join(f"{rule}: {cell['detail']}" for rule, cell in asked if cell["outcome"] != KEPT)
    outcomes = {cell["outcome"] for _, cell in asked}
    if outcomes == {KEPT}:
        result = KEPT
    elif outcomes == {"not-offered"}:
        result = NOT_OFFERED
    elif outcomes == {"error"}:
        result = ERROR
    else:
        result = PARTLY if kept else BROKEN
    return Cell(result, told, kept, len(asked))
