"""A table as data, and two ways to show it: on a terminal and as Markdown. Must not know what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Grid:
    """The first column is text, the others are figures."""

    title: str
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""


def show(grid: Grid, console: Console) -> None:
    """Print it with rich."""
    table = Table(title=grid.title, title_justify="left", caption=grid.note or None, caption_justify="left")
    for index, name in enumerate(grid.head):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in grid.rows:
        table.add_row(*row)
    console.print(table)


def markdown(grid: Grid) -> str:
    """The table in GitHub's Markdown, with its title as a line above."""
    rule = ["---"] + ["---:"] * (len(grid.head) - 1)
    lines = ["| " + " | ".join(row) + " |" for row in (grid.head, rule, *grid.rows)]
    note = [grid.note, ""] if grid.note else []
    return "\n".join([f"**{grid.title}**", "", *lines, "", *note])
