"""The command line of the comparison: `downstream-proxy compare`, and `compare proxies` below it.

Reads options, prints tables to stdout and progress to stderr. Must not know how anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .cli_proxies import proxies
from .paths import COST

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OPTIONS = (
    click.option(
        "--quick",
        is_flag=True,
        help="What fits into three minutes; with --all, one round of everything.",
    ),
    click.option("--clients", metavar="A,B", help="Only these; aiohttp, the reference, is always there."),
    click.option("--workload", metavar="X,Y", help="Only these points, such as inflight-100,body-1m,tls."),
    click.option("--payload", type=FILE, help="What the downstream answers, instead of 1 KiB."),
    click.option("--latency-ms", type=click.IntRange(0, 60_000), help="How late the downstream answers."),
    click.option("--mine", metavar="URL", help="A service of your own as the downstream, by GET."),
    click.option("--rounds", type=click.IntRange(1), help="Interleaved repeats; 2 unless --quick."),
    click.option(
        "--seconds", type=click.IntRange(1), default=1, show_default=True, help="Of each measurement."
    ),
    click.option("--seed", type=int, default=1, show_default=True, help="Of the order within each round."),
    click.option("--minutes", type=click.FloatRange(0.1), help="Stop after so long; --resume goes on."),
    click.option("--resume", is_flag=True, help="Go on with the file of an interrupted run."),
    click.option(
        "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Samples go here."
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 unless every measurement was made."),
    click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown instead of drawn tables."),
)


def _measuring(command: Any) -> Any:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@_measuring
@click.option(
    "--all", "everything", is_flag=True, help="Measure all anew (an hour and a half), then --report."
)
@click.option(
    "--report", is_flag=True, help="Write compare.md and its charts from the results; measure nothing."
)
@click.option(
    "--check", is_flag=True, help="With --report: change nothing, exit with 1 if something differs."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --report: folder instead of the checkout.",
)
@click.pass_context
def compare(
    context: click.Context, /, everything: bool, report: bool, check: bool, out: Path | None, **chosen: Any
) -> None:
    """Measure client libraries and recipes inside a server, on this machine.

    Every measurement is a fresh process alone on one core, with generator (wrk, h2load) and origin (nginx) on
    another; ratios compare with aiohttp in the same round. Alone, without options that choose a part, the
    results are those that --report writes into compare.md.
    """
    if context.invoked_subcommand:
        return
    if everything:
        from .everything import rebuild

        rebuild(**chosen)
    elif not report:
        from .cost.command import run

        run(default=COST, **chosen)
    if everything or report:
        from .report.command import write

        write(out, check=check)


compare.add_command(proxies)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command group; `argv` without the program's name, None for the process's own."""
    compare.main(args=None if argv is None else list(argv), prog_name="compare")


if __name__ == "__main__":
    main()
