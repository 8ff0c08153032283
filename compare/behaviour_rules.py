"""Runs the contract's tests of the asked rules against one server and writes what they said, rule by rule.

`python -m compare.behaviour_rules RESULT.json RULES -- PYTEST-ARGUMENTS` is a process of its own, so that a
run that hangs can be ended and what it had found until then counts. Needs a checkout, as the suite does.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

SUITE = Path(__file__).resolve().parents[1] / "tests"
#: Cases of one test: a rule that breaks breaks in its first ones, and the rest would only cost time.
CASES = 2
TEST_SECONDS = 10
#: What these ask is decided before a library is called.
OTHERS = ("test_operations.py",)
#: A setting of the proxy's own downstream, which the clients behind the seam do not read.
OWN = ("test_proxy_variables_are_honoured_when_asked_for",)
DECIDED = "the rule is broken already"


class Evidence:
    """A pytest plugin: chooses the tests of the asked rules, and keeps what they said in a file."""

    def __init__(self, path: Path, asked: Collection[str]) -> None:
        self._path = path
        self._asked = asked
        self._rules: dict[str, list[str]] = {}
        self._cells: dict[str, dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        seen: Counter[tuple[str, str]] = Counter()
        chosen = []
        for item in items:
            rules = [name for mark in item.iter_markers("rule") for name in mark.args if name in self._asked]
            name = item.nodeid.partition("[")[0]
            if item.path.name in OTHERS or name.rpartition("::")[2] in OWN:
                continue
            if any(seen[name, rule] < CASES for rule in rules):
                seen.update((name, rule) for rule in rules)
                chosen.append(item)
                self._rules[item.nodeid] = rules
        items[:] = chosen

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if all(self._cells.get(rule, {}).get("failed") for rule in self._rules[item.nodeid]):
            pytest.skip(DECIDED)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for rule in self._rules.get(report.nodeid, ()):
            cell = self._cells.setdefault(rule, {"passed": 0, "left_out": 0, "failed": [], "skipped": []})
            if report.failed:
                cell["failed"].append([report.nodeid.rpartition("::")[2], _first_line(report)])
            elif report.skipped and DECIDED in str(report.longrepr):
                cell["left_out"] += 1
            elif report.skipped:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
                cell["skipped"].append(str(reason).removeprefix("Skipped: "))
            elif report.when == "call":
                cell["passed"] += 1
        if report.when == "teardown":
            self._path.write_text(json.dumps(self._cells))


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", None)
    return " ".join(str(crash or report.longrepr).split())[:300]


def main(arguments: list[str]) -> int:
    # With its terminal output: pytest-timeout writes to that, and cannot do without.
    options = ["-q", "-p", "no:cacheprovider", "--timeout", str(TEST_SECONDS)]
    options += ["-c", str(SUITE / "check.ini"), "--rootdir", str(SUITE.parent)]
    return int(
        pytest.main(
            [*options, *arguments[3:], str(SUITE / "contract")],
            plugins=[Evidence(Path(arguments[0]), arguments[1].split(","))],
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
