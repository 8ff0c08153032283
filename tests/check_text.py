"""A scorecard for a terminal, and the evidence of a failure as lines. Knows nothing of how the score came
about."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.table import Table

from .score import BROKEN, KEPT, NOT_OFFERED, NOT_RUN, SKIPPED, Failure, Part, summary

COLOURS = {KEPT: "green", BROKEN: "red", NOT_OFFERED: "yellow", SKIPPED: "dim", NOT_RUN: "dim"}
SHOWN = 3  # failures of one part


def evidence(failure: Failure) -> str:
    """What was expected, what came, the bytes of both sides and how to do it again."""
    lines = [failure.test, f"expected: {failure.expected}", f"got:      {failure.got}"]
    lines += [failure.wire] if failure.wire else []
    return "\n".join([*lines, *(f"again:    {line}" for line in failure.again)])


def show(parts: list[Part], console: Console) -> None:
    """A line for each part, the evidence below, the counts last."""
    table = Table(title="Contract", header_style="bold")
    for heading in ("rule", "stands on", "verdict", "reference"):
        table.add_column(heading, overflow="fold")
    for part in parts:
        verdict = f"[{COLOURS[part.verdict]}]{part.verdict}[/]"
        table.add_row(part.rule.id, part.basis.value, verdict, part.rule.reference)
    console.print(table)
    for part in parts:
        if part.failures:
            console.rule(
                f"{part.rule.id}: {part.verdict} ({part.basis.value}, {part.rule.reference})", align="left"
            )
            console.print(part.rule.sentence, markup=False)
            for failure in part.failures[:SHOWN]:
                console.print(f"\n{evidence(failure)}", markup=False, highlight=False, soft_wrap=True)
            if len(part.failures) > SHOWN:
                console.print(f"\n... and {len(part.failures) - SHOWN} more", markup=False)
    _reasons(parts, console)
    console.print(summary(parts), markup=False, soft_wrap=True)


def _reasons(parts: list[Part], console: Console) -> None:
    """Why parts were skipped, each reason once."""
    told = sorted((reason, part.rule.id) for part in parts for reason in part.skipped)
    for reason, group in groupby(told, lambda pair: pair[0]):
        count = len(list(group))
        console.print(f"skipped, {count} of them: {reason}", markup=False, highlight=False, soft_wrap=True)
