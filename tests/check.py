"""`downstream-proxy check URL --origin-listen ADDR`: the contract against any server, with a scorecard.

What it is for: running tests/contract from a checkout or from the wheel and telling rule by rule what held. A
rule is kept when a test of it passed and none failed; skipped when the server lacks its capability or cannot
be configured for it from here. What it must not know: what the rules say; it reads them from the contract.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from downstream_proxy.contract import CHAPTERS, Level, Rule
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .check_html import render_html

SUITE = Path(__file__).parent


@dataclass
class Score:
    """What the tests of one rule said. failures: a test's name and its evidence, the bytes on the wire
    included."""

    rule: Rule
    passed: int = 0
    skipped: set[str] = field(default_factory=set)
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.failures:
            return "broken"
        if self.passed:
            return "kept"
        return "skipped" if self.skipped or not self.rule.tested else "not run"

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule.id,
            "level": self.rule.level.value,
            "sentence": self.rule.sentence,
            "reference": self.rule.reference,
            "verdict": self.verdict,
            "tests_passed": self.passed,
            "skipped": sorted(self.skipped),
            "failures": [{"test": name, "evidence": evidence} for name, evidence in self.failures],
        }


class Scorecard:
    """A pytest plugin that keeps the score and shows how far the run is."""

    def __init__(self, progress: Progress) -> None:
        self.scores = {rule.id: Score(rule) for chapter in CHAPTERS for rule in chapter.rules}
        self._rules: dict[str, list[str]] = {}
        self._progress = progress
        self._task = progress.add_task("contract")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self._rules[item.nodeid] = [rule for mark in item.iter_markers("rule") for rule in mark.args]
        self._progress.update(self._task, total=len(session.items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._progress.advance(self._task)
        scores = [self.scores[rule] for rule in self._rules.get(report.nodeid, ())]
        for score in scores:
            if report.failed:
                score.failures.append((report.nodeid.partition("::")[2], _evidence(report)))
            elif report.skipped:
                score.skipped.add(_reason(report))
            elif report.when == "call":
                score.passed += 1


def _reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "skipped"


def _evidence(report: pytest.TestReport) -> str:
    """The assertion, then what was on the wire and the line that does it again."""
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", None)
    first = str(crash or report.longrepr).split("\n", 1)[0]
    wire = [content for title, content in report.sections if title == "on the wire"]
    return "\n".join([first, *wire])


def run(
    url: str, origin_listen: str, without: Iterable[str], select: str, junit: str | None
) -> tuple[int, Scorecard]:
    """Run the suite against `url`; pytest's exit code and the score."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        card = Scorecard(progress)
        # The configuration of whoever calls this is not ours: everything the suite needs is said here.
        arguments = ["-p", "no:cacheprovider", "-p", "no:terminal"]
        arguments += ["-c", str(SUITE / "check.ini"), "--rootdir", str(SUITE), "--timeout", "60"]
        arguments += ["--proxy-url", url, "--origin-listen", origin_listen]
        arguments += [part for capability in without for part in ("--without", capability)]
        arguments += ["-k", select] if select else []
        arguments += ["--junit-xml", junit] if junit else []
        code = int(pytest.main([*arguments, str(SUITE / "contract")], plugins=[card]))
    return code, card


def show(scores: Iterable[Score], console: Console) -> None:
    """The scorecard for a terminal: a line for each rule, the evidence below."""
    scores = list(scores)
    table = Table(title="Contract", header_style="bold")
    for heading in ("rule", "level", "verdict", "reference"):
        table.add_column(heading, overflow="fold")
    colours = {"kept": "green", "broken": "red", "skipped": "yellow", "not run": "dim"}
    for score in scores:
        colour = colours[score.verdict]
        table.add_row(
            score.rule.id, score.rule.level.value, f"[{colour}]{score.verdict}[/]", score.rule.reference
        )
    console.print(table)
    for score in scores:
        if score.failures:
            console.rule(f"{score.rule.id} ({score.rule.level.value}, {score.rule.reference})", align="left")
            console.print(score.rule.sentence, markup=False)
            for name, evidence in score.failures[:3]:
                console.print(f"\n{name}\n{evidence}", markup=False, highlight=False, soft_wrap=True)
            if len(score.failures) > 3:
                console.print(f"\n... and {len(score.failures) - 3} more", markup=False)
    console.print(summary(scores), markup=False)


def summary(scores: Iterable[Score]) -> str:
    counts: dict[str, int] = {}
    for score in scores:
        counts[score.verdict] = counts.get(score.verdict, 0) + 1
    broken = sum(1 for score in scores if score.failures and score.rule.level is Level.MUST)
    told = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ("kept", "broken", "skipped"))
    return f"{told}; MUST rules broken: {broken}"


@click.command()
@click.argument("url")
@click.option("--origin-listen", required=True, metavar="ADDR:PORT", help="Where that server forwards to.")
@click.option(
    "--without", multiple=True, metavar="CAPABILITY", help="A capability the server lacks; repeatable."
)
@click.option("-k", "select", default="", metavar="EXPRESSION", help="Only matching tests, as pytest has it.")
@click.option("--json", "json_file", metavar="FILE", help="Write the score as JSON.")
@click.option("--junit", metavar="FILE", help="Write JUnit XML.")
@click.option("--html", "html_file", metavar="FILE", help="Write the scorecard as one HTML page.")
def _check(
    url: str,
    origin_listen: str,
    without: tuple[str, ...],
    select: str,
    json_file: str | None,
    junit: str | None,
    html_file: str | None,
) -> int:
    """Run the contract against the server at URL, which must forward every path to the origin's address."""
    if not url.startswith("http://"):
        raise click.UsageError(f"{url!r} is no URL; write http://HOST:PORT")
    code, card = run(url, origin_listen, without, select, junit)
    if code not in (0, 1):
        raise click.UsageError(
            "the suite could not run; see the lines above"
            if code != 5
            else f"no test matches {select!r}; names are those of `pytest --collect-only`"
        )
    scores = [score for score in card.scores.values() if not select or score.verdict != "not run"]
    show(scores, Console())
    if json_file:
        document = {"url": url, "summary": summary(scores), "rules": [score.as_json() for score in scores]}
        Path(json_file).write_text(json.dumps(document, indent=1) + "\n")
    if html_file:
        Path(html_file).write_text(render_html(url, summary(scores), [score.as_json() for score in scores]))
    return 1 if any(score.failures and score.rule.level is Level.MUST for score in scores) else 0


def main(argv: list[str]) -> int:
    """The exit code: 0 when no MUST is broken, 1 when one is, 2 for a wrong call."""
    try:
        return int(_check.main(argv, prog_name="downstream-proxy check", standalone_mode=False) or 0)
    except click.ClickException as error:
        click.echo(f"downstream-proxy: {error.format_message()}", err=True)
        return 2
