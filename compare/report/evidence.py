"""The stored results, read together: cost, behaviour, faults, claims, the two backends, other proxies.

Must not know what is concluded from them. A file that is not there leaves its part empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import paths
from ..results import COST, PROXIES, Results

KEPT = "kept"
UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether a subject keeps a rule, and how that was seen."""

    result: str
    evidence: str = ""

    @property
    def kept(self) -> bool:
        return self.result == KEPT


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the behaviour table; `contract` is the id of the contract's rule behind it, if there is
    one.
    """

    id: str
    title: str
    contract: str = ""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Cells by subject and rule."""

    rules: tuple[Rule, ...] = ()
    cells: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    note: str = ""

    def cell(self, subject: str, rule: str) -> Cell:
        return self.cells.get(subject, {}).get(rule, Cell(UNKNOWN))


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
    """Cells of several backends become one: the worse of them, with its evidence."""
    rules = tuple(Rule(rule["id"], rule["title"], rule.get("rule", "")) for rule in stored.get("rules", ()))
    cells: dict[str, dict[str, Cell]] = {}
    for subject, backends in stored.get("cells", {}).items():
        found = cells.setdefault(subject, {})
        for by_rule in backends.values():
            for rule, cell in by_rule.items():
                new = Cell(cell["result"], cell.get("evidence", ""))
                if rule not in found or (found[rule].kept and not new.kept):
                    found[rule] = new
    return Behaviour(rules, cells, stored.get("note", ""))
