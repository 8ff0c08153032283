"""`downstream-proxy check URL --origin-listen ADDR`: the contract against any server, with a scorecard.

What it is for: the command, from a checkout or from the wheel. What it must not know: what the rules say, how
they are run or shown.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from downstream_proxy.contract import Basis
from rich.console import Console

from .check_html import render_html
from .check_junit import render_junit
from .check_run import run
from .check_text import show
from .score import BROKEN, NOT_OFFERED, counts, summary

CAPABILITIES = ("forwarded", "transform", "websocket")


@click.command()
@click.argument("url")
@click.option("--origin-listen", required=True, metavar="ADDR:PORT", help="Where that server forwards to.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="A capability the server does not claim to have; repeatable. Its rules are skipped.",
)
@click.option("-k", "select", default="", metavar="EXPRESSION", help="Only matching tests, as pytest has it.")
@click.option(
    "--patience", type=click.FloatRange(0.5), default=3.0, show_default=True, help="Seconds for an answer."
)
@click.option("--json", "json_file", metavar="FILE", help="Write the score as JSON.")
@click.option("--junit", "junit_file", metavar="FILE", help="Write JUnit XML.")
@click.option("--html", "html_file", metavar="FILE", help="Write the scorecard as one HTML page.")
@click.option("--strict", is_flag=True, help="Exit with 1 also for RFC SHOULDs and decisions left undone.")
def _check(
    url: str,
    origin_listen: str,
    without: tuple[str, ...],
    select: str,
    patience: float,
    json_file: str | None,
    junit_file: str | None,
    html_file: str | None,
    strict: bool,
) -> int:
    """Run the contract against the server at URL, which must forward every path to the origin's address.

    Exit code 0 when no MUST of an RFC is broken, 1 when one is, 2 for a wrong call.
    """
    if not url.startswith("http://"):
        raise click.UsageError(f"{url!r} is no URL; write http://HOST:PORT")
    code, scores = run(url, origin_listen, without, select, patience)
    if isinstance(scores, str):
        raise click.ClickException(scores)
    if code not in (0, 1):
        raise click.UsageError(
            "the suite could not run; see the lines above"
            if code != 5
            else f"no test matches {select!r}; names are those of `pytest --collect-only`"
        )
    parts = [p for p in scores.all() if not select or p.passed or p.failures or p.skipped]
    show(parts, Console())
    rules = [part.as_json() for part in parts]
    if json_file:
        document = {"url": url, "summary": summary(parts), "counts": counts(parts), "rules": rules}
        Path(json_file).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if junit_file:
        Path(junit_file).write_text(render_junit(url, parts), encoding="utf-8")
    if html_file:
        Path(html_file).write_text(render_html(url, summary(parts), rules), encoding="utf-8")
    if strict:
        return int(any(part.verdict in (BROKEN, NOT_OFFERED) for part in parts))
    return int(any(part.verdict == BROKEN and part.basis is Basis.RFC_MUST for part in parts))


def main(argv: list[str]) -> int:
    """The exit code: 0 when no MUST of an RFC is broken, 1 when one is, 2 for a wrong call."""
    try:
        return int(_check.main(argv, prog_name="downstream-proxy check", standalone_mode=False) or 0)
    except click.ClickException as error:
        click.echo(f"downstream-proxy: {error.format_message()}", err=True)
        return 2
