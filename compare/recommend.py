"""`downstream-proxy recommend`: which client fits stated needs, from the stored results, with the rows it
used.

Needs nothing beside the core installation. Must not know how the results were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from . import paths
from .cost.reading import noise
from .report.decide import Answer, Row, answer
from .report.evidence import Evidence, load
from .report.needs import NEEDS, PLAIN


def _flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for need in reversed(NEEDS):
        command = click.option(
            f"--{need.flag}", is_flag=True, help=f"{need.title[0].upper()}{need.title[1:]}."
        )(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@_flags
@click.option(
    "--from",
    "from_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="A file of your own, written by `compare --json FILE`; otherwise the published results.",
)
def recommend(from_file: Path | None, **given: bool) -> None:
    """Which client or proxy fits, and the measured rows that say so. Needs add up."""
    try:
        evidence = load(from_file or paths.COST)
    except FileNotFoundError as error:
        raise click.ClickException(
            f"there are no results ({error.filename}); run `downstream-proxy compare` first"
        ) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    needs = [need for need in NEEDS if given[need.flag.replace("-", "_")]]
    for line in lines(evidence, answer(evidence, needs)):
        click.echo(line)


def lines(evidence: Evidence, found: Answer) -> list[str]:
    """The answer as text."""
    titles = "; ".join(need.title for need in found.needs) if found.needs else PLAIN.title
    shown = [f"You need: {titles}."]
    if not found.rows:
        shown.append("Nobody who was measured fits.")
        if found.nearest:
            near = " or ".join(row.subject for row in found.nearest)
            shown += [f"Nearest: {near}; what it breaks is below.", "", *_table(found.nearest, found.points)]
    else:
        others = " (inside the noise they are equal)" if len(found.taken) > 1 else ""
        shown.append(f"Take: {' or '.join(found.taken)}{others}.")
        if found.cheaper:
            shown.append(f"Cheaper, but left out: {', '.join(row.subject for row in found.cheaper)}.")
        shown += ["", *_table(found.rows, found.points)]
        told = noise(evidence.cost)
        shown += ["", f"Ratios are to aiohttp in the same round; within {told:.0%} nothing is told apart."]
    if found.refused:
        shown += ["", "Left out:"]
        shown += [f"  {subject}: {reason}" for subject, reason in found.refused.items()]
    shown += ["", "{cpu}, {python}, measured {date}".format(**evidence.cost.environment)]
    return shown


def _table(rows: Sequence[Row], points: Sequence[str]) -> list[str]:
    head = ["group", "subject", "x aiohttp", "range", *points]
    body = [
        [
            str(row.group + 1),
            row.subject,
            f"{row.ratio.median:.2f}",
            f"{row.ratio.low:.2f}-{row.ratio.high:.2f}",
            *row.figures,
        ]
        for row in rows
    ]
    widths = [max(len(line[index]) for line in [head, *body]) for index in range(len(head))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; `argv` without the program's name, None for the process's own."""
    recommend.main(args=None if argv is None else list(argv), prog_name="recommend")


if __name__ == "__main__":
    main()
