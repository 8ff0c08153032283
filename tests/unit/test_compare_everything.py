"""`compare --all`: what it does in which order, and how it goes on after an interruption."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from compare import behaviour, everything
from compare.cli import compare
from compare.everything import State, Step, steps, walk
from compare.evidence import Cell, Outcome, keep_only, write
from compare.subjects import SUBJECTS, Subject

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="the comparison runs on Linux only"),
]
SETTINGS = {"quick": False, "rounds": None, "seconds": 1, "seed": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "unfinished.json"


def recorded(log: list[tuple[str, bool]], name: str, done: bool = True) -> Step:
    def do(resumed: bool) -> bool:
        log.append((name, resumed))
        return done

    return Step(name, 10, do)


def interrupted(_: bool) -> bool:
    raise KeyboardInterrupt


def test_every_file_of_results_has_a_step() -> None:
    names = [step.name for step in steps(False, None, rounds=None, seconds=1, seed=1)]
    assert len(names) == len(set(names))
    asked = [name.removeprefix("behaviour of ").split(" and ") for name in names if "behaviour" in name]
    assert [name for some in asked for name in some] == list(SUBJECTS)
    assert [name.removeprefix("faults met by ") for name in names if "faults" in name] == list(SUBJECTS)
    assert {"claims", "both backends side by side", "cost and speed", "beside other proxies"} <= set(names)


def test_a_run_that_came_to_its_end_leaves_nothing_to_go_on_with(file: Path) -> None:
    log: list[tuple[str, bool]] = []
    walk([recorded(log, "a"), recorded(log, "b")], State(SETTINGS), file, None)
    assert log == [("a", False), ("b", False)]
    assert not file.exists()


def test_an_interrupted_run_goes_on_with_the_step_it_was_in(file: Path) -> None:
    log: list[tuple[str, bool]] = []
    with pytest.raises(KeyboardInterrupt):
        walk([recorded(log, "a"), Step("b", 10, interrupted)], State(SETTINGS), file, None)
    state = State.read(file, SETTINGS)
    walk([recorded(log, "a"), recorded(log, "b"), recorded(log, "c")], state, file, None)
    assert log == [("a", False), ("b", True), ("c", False)]
    assert not file.exists()


def test_a_step_that_is_not_complete_is_not_done(file: Path) -> None:
    log: list[tuple[str, bool]] = []
    with pytest.raises(click.ClickException, match=r"a is not complete; `compare --all --resume` goes on"):
        walk([recorded(log, "a", done=False), recorded(log, "b")], State(SETTINGS), file, None)
    assert State.read(file, SETTINGS).begun == "a"
    assert State.read(file, SETTINGS).done == []


def test_no_step_begins_when_the_time_is_over(file: Path) -> None:
    log: list[tuple[str, bool]] = []
    with pytest.raises(click.ClickException, match="the time is over before a"):
        walk([recorded(log, "a")], State(SETTINGS), file, until=0.0)
    assert log == []


def test_a_run_of_other_settings_is_not_gone_on_with(file: Path) -> None:
    State(SETTINGS).write(file)
    with pytest.raises(click.ClickException, match="the interrupted run has quick False"):
        State.read(file, SETTINGS | {"quick": True})
    with pytest.raises(click.ClickException, match="no interrupted run"):
        State.read(file.with_name("other.json"), SETTINGS)


def test_the_whole_takes_no_part(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(everything, "UNFINISHED", file)
    refused = CliRunner().invoke(compare, ["--all", "--clients", "httpx", "--latency-ms", "3"])
    assert refused.exit_code == 2
    assert "--all measures everything; leave out --clients, --latency-ms" in refused.output
    refused = CliRunner().invoke(compare, ["--all", "--resume"])
    assert refused.exit_code == 1
    assert "no interrupted run to go on with" in refused.output


def test_what_would_fail_after_hours_is_said_at_once(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(everything, "UNFINISHED", file)
    monkeypatch.setattr(everything, "ASKING", ("pytest", "no_such_module"))
    refused = CliRunner().invoke(compare, ["--all"])
    assert refused.exit_code == 1
    assert "need no_such_module: install the extra `test`" in refused.output
    assert not file.exists()


def test_an_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    def one(*_: object, **__: object) -> list[Step]:
        return [Step("a", 1, interrupted)]

    monkeypatch.setattr(everything, "UNFINISHED", file)
    monkeypatch.setattr(everything, "steps", one)
    told = CliRunner().invoke(compare, ["--all"])
    assert told.exit_code == 1
    assert "interrupted; what was measured is kept, and `compare --all --resume` goes on" in told.output


def test_subjects_that_are_no_longer_there_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "behaviour.json"
    write(path, {"environment": {}, "subjects": {"httpx": {"rule": 1}, "gone": {"rule": 1}}})
    keep_only(path, SUBJECTS)
    assert list(json.loads(path.read_text())["subjects"]) == ["httpx"]


def test_what_may_be_the_machines_fault_is_asked_once_more_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(outcome: Outcome, detail: str) -> Cell:
        return Cell(outcome=outcome, detail=detail, rule="")

    found = {
        "bodies.interim-survived": cell("broken", "aiohttp: 1 of 2 cases; not a: x | fastapi: 2 of 2 cases"),
        "isolation.redirects-relayed": cell(
            "broken", "aiohttp: 0 of 1 cases; not a: TimeoutError: timed out"
        ),
        "target.any-method": cell("broken", "aiohttp: 0 of 1; not a: x | fastapi: 0 of 1; not a: x"),
        "failures.dns": cell("kept", "2 of 2 cases"),
        "probe.leak": cell("broken", "TimeoutError: timed out"),
    }
    asked: list[list[str]] = []

    def rules_of(subject: Subject, rules: list[str]) -> dict[str, Cell]:
        asked.append(rules)
        return {rules[0]: cell("kept" if len(asked) > 1 else "error", "")}

    monkeypatch.setattr(behaviour, "rules_of", rules_of)
    new = behaviour.in_doubt(SUBJECTS["httpx"], found)
    assert asked == [["bodies.interim-survived"], ["isolation.redirects-relayed"]]
    assert list(new) == ["isolation.redirects-relayed"]
