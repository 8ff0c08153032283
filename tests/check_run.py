"""Runs the contract's tests against a URL and collects what they said: a pytest plugin and its call.

It must not know how a score is shown. A server may be slow or silent in its own ways, so every test has an
end, and a rule of which several tests got no answer in time is given up: by then it is broken or not offered.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from downstream_proxy.contract import RULES, Basis
from downstream_proxy.contract.render import outcome
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .score import Failure, Scores

SUITE = Path(__file__).parent
LIMIT = 30.0  # seconds that one test may take
SILENT = 3  # tests of one rule without an answer, after which the others are left out


class Scorecard:
    """A pytest plugin that keeps the score and shows how far the run is."""

    def __init__(self, progress: Progress, again: str) -> None:
        self.scores = Scores()
        self._items: dict[str, pytest.Item] = {}
        self._progress = progress
        self._task = progress.add_task("contract")
        self._again = again
        self._silent: Counter[str] = Counter()
        self.reason = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        # pytest-timeout writes to a terminal that a scorecard does not have; the alarm below does its work.
        config.addinivalue_line("markers", "timeout(seconds): has no effect here")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if isinstance(excinfo.value, pytest.exit.Exception):
            self.reason = str(excinfo.value.msg)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._items = {item.nodeid: item for item in session.items}
        self._progress.update(self._task, total=len(session.items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for name in _rules(item):
            if self._silent[name] >= SILENT:
                pytest.skip(f"given up: {SILENT} tests of {name} got no answer in time")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        with _alarm():
            yield

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        names = _rules(self._items[nodeid])
        self._progress.update(self._task, description=names[0] if names else "contract")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._progress.advance(self._task)
        item = self._items[report.nodeid]
        marks = [Basis(mark.args[0]) for mark in item.iter_markers("basis")]
        for name in _rules(item):
            rule = RULES[name]
            part = self.scores.part(rule, marks[0] if marks else rule.ground)
            part.seconds += report.duration
            if report.failed:
                failure = self._failure(item, report)
                self._silent[name] += "TimeoutError" in failure.got
                if part.failures and part.failures[-1].test == failure.test:
                    # What the origin found wrong is told when the test is over.
                    part.failures[-1].got += f"; {failure.got}"
                else:
                    part.failures.append(failure)
            elif report.skipped:
                part.skipped.add(_reason(report))
            elif report.when == "call":
                part.passed += 1

    def _failure(self, item: pytest.Item, report: pytest.TestReport) -> Failure:
        test = report.nodeid.partition("::")[2].replace("[external]", "").replace("[external-", "[")
        example = getattr(item, "callspec", None) and item.callspec.params.get("example")  # type: ignore[attr-defined]
        function = getattr(item, "originalname", item.name)
        expected = outcome(example) if example else function.removeprefix("test_").replace("_", " ")
        crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", None)
        wire = "\n".join(text for title, text in report.sections if title == "on the wire")
        lines = wire.splitlines()
        again = [line.removeprefix("again:").strip() for line in lines if line.startswith("again:")]
        selected = f"{_rules(item)[0]}:" if example else function
        return Failure(
            test,
            expected,
            str(crash or report.longrepr).split("\n", 1)[0].removeprefix("AssertionError: "),
            "\n".join(line for line in lines if not line.startswith("again:")),
            [*again[:3], f"{self._again} -k {selected}"],
        )


def _rules(item: pytest.Item) -> list[str]:
    return [rule for mark in item.iter_markers("rule") for rule in mark.args]


def _reason(report: pytest.TestReport) -> str:
    text = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "skipped"
    return text.removeprefix("Skipped: ")


@contextmanager
def _alarm() -> Generator[None]:
    """TimeoutError in this block after LIMIT seconds, where the system has such a signal."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {LIMIT:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(
    url: str, origin_listen: str, without: Iterable[str], select: str, patience: float
) -> tuple[int, Scores | str]:
    """Run the suite against `url`; pytest's exit code, and the score or what kept it from running."""
    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        card = Scorecard(progress, f"downstream-proxy check {url} --origin-listen {origin_listen}")
        # The configuration of whoever calls this is not ours: everything the suite needs is said here.
        arguments = ["-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:timeout"]
        arguments += ["-c", str(SUITE / "check.ini"), "--rootdir", str(SUITE)]
        arguments += ["--proxy-url", url, "--origin-listen", origin_listen, "--patience", str(patience)]
        arguments += [part for capability in without for part in ("--without", capability)]
        arguments += ["-k", select] if select else []
        code = int(pytest.main([*arguments, str(SUITE / "contract")], plugins=[card]))
    return code, card.reason or card.scores
