"""The contract: what both backends hold, as rules in the order of a request's life.

`CHAPTERS` is its reading order, `RULES` finds a rule by its id; run as a module the package prints it all as
Markdown. It imports nothing of the engine.
"""

from __future__ import annotations

from . import bodies, failures, framing, headers, isolation, limits, operations, target, websocket
from .model import Basis, Chapter, Example, Level, Rule

__all__ = ["CHAPTERS", "RULES", "Basis", "Chapter", "Example", "Level", "Rule"]

CHAPTERS: tuple[Chapter, ...] = (
    framing.CHAPTER,
    target.CHAPTER,
    headers.CHAPTER,
    bodies.CHAPTER,
    failures.CHAPTER,
    limits.CHAPTER,
    websocket.CHAPTER,
    operations.CHAPTER,
    isolation.CHAPTER,
)


def _index() -> dict[str, Rule]:
    rules = [rule for chapter in CHAPTERS for rule in chapter.rules]
    index = {rule.id: rule for rule in rules}
    if len(index) != len(rules):
        raise ValueError("two rules have one id")
    return index


RULES: dict[str, Rule] = _index()
