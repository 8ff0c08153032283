"""run.py: when it installs and when it does not, what it hands over, and one line for what is missing.

A script that notes its arguments stands in for pip, so that nothing here needs a network.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RUN = CHECKOUT / "run.py"
pytestmark = pytest.mark.skipif(not RUN.is_file(), reason="run.py is part of the source tree only")

FAKE_PIP = """
import json, pathlib, sys
here = pathlib.Path(sys.argv[1])
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[2:]) + "\\n")
print("Collecting everything")
if (here / "broken").exists():
    print("ERROR: No matching distribution found for nothing")
    sys.exit(1)
"""


class Launcher:
    """run.py in a folder of its own, with a stand-in for pip and without the final exec."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name in ("pyproject.toml", "constraints.txt"):
            (root / name).write_text(name)
        self.module = load(root)
        self.real_pip = self.module.pip
        (root / "pip.py").write_text(FAKE_PIP)
        self.module.pip = lambda: [sys.executable, str(root / "pip.py"), str(root)]
        self.handed_over: list[list[str]] = []
        self.folder = ""
        monkeypatch.setattr(os, "execv", self._execv)

    def _execv(self, _path: object, arguments: list[str]) -> None:
        self.handed_over.append(arguments)
        self.folder = os.getcwd()
        raise SystemExit(0)

    def __call__(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            self.module.main(list(arguments))
        return int(caught.value.code or 0)

    @property
    def calls(self) -> list[list[str]]:
        path = self.root / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def installed(self) -> list[str]:
        """What each call of pip was asked for."""
        return [call[-1] for call in self.calls]


def load(root: Path) -> Any:
    (root / "run.py").write_bytes(RUN.read_bytes())
    specification = importlib.util.spec_from_file_location("run_under_test", root / "run.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "check out"
    root.mkdir()
    return Launcher(root, monkeypatch)


def test_the_first_run_makes_an_environment_and_installs_with_the_constraints(
    launch: Launcher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch("serve", "--downstream", "http://h") == 0
    (call,) = launch.calls
    assert call[0] == "install"
    assert call[call.index("-c") + 1] == "constraints.txt"
    assert call[-2:] == ["-e", ".[fastapi]"]
    assert (launch.root / ".venv" / "bin" / "python").exists()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ... ")[0] for line in lines] == [
        "run.py: making .venv",
        "run.py: installing downstream-proxy[fastapi]",
    ]
    assert all(line.endswith(" s") for line in lines)


def test_nothing_is_installed_again_while_nothing_changed(
    launch: Launcher, capsys: pytest.CaptureFixture[str]
) -> None:
    launch("demo")
    capsys.readouterr()
    launch("serve")
    launch("check-config")
    assert launch.installed == [".[fastapi]"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_input_installs_again(launch: Launcher, name: str) -> None:
    launch("demo")
    (launch.root / name).write_text("other")
    launch("demo")
    launch("demo")
    assert launch.installed == [".[fastapi]", ".[fastapi]"]


def test_a_command_that_needs_more_adds_to_what_is_there(launch: Launcher) -> None:
    for command in ("check-config", "demo", "test", "demo", "test"):
        launch(command)
    assert launch.installed == [".", ".[fastapi]", ".[fastapi,test]"]


def test_the_whole_comparison_brings_the_tests_that_it_asks(launch: Launcher) -> None:
    launch("compare", "--all")
    assert launch.installed == [".[compare,test]"]


def test_everything_installed_is_enough_for_all(launch: Launcher) -> None:
    for command in ("python", "demo", "test", "compare"):
        launch(command)
    assert launch.installed == [".[all]"]


def test_a_failed_installation_is_one_line_and_is_tried_again(
    launch: Launcher, capsys: pytest.CaptureFixture[str]
) -> None:
    (launch.root / "broken").write_text("")
    assert launch("demo") == 2
    lines = capsys.readouterr().err.splitlines()
    log = launch.root / ".venv" / "install.log"
    assert lines[-1] == (
        f"run.py: ERROR: No matching distribution found for nothing (all of its output is in {log})"
    )
    assert "Collecting everything" in log.read_text()
    (launch.root / "broken").unlink()
    assert launch("demo") == 0
    assert launch.installed == [".[fastapi]", ".[fastapi]"]


def test_after_a_failed_addition_nothing_is_taken_for_installed(launch: Launcher) -> None:
    launch("demo")
    (launch.root / "broken").write_text("")
    assert launch("test") == 2
    (launch.root / "broken").unlink()
    assert launch("demo") == 0
    assert launch.installed == [".[fastapi]", ".[fastapi,test]", ".[fastapi]"]


def test_an_environment_that_no_longer_works_is_made_anew(launch: Launcher) -> None:
    launch("demo")
    python = launch.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    left = launch.root / ".venv" / "left-over"
    left.write_text("")
    assert launch("demo") == 0
    assert python.exists()
    assert not left.exists()
    assert launch.installed == [".[fastapi]", ".[fastapi]"]


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"inputs": 1}', '{"extras": []}'])
def test_a_damaged_stamp_installs_again(launch: Launcher, stamp: str) -> None:
    launch("demo")
    (launch.root / ".venv" / "install.json").write_text(stamp)
    launch("demo")
    assert launch.installed == [".[fastapi]", ".[fastapi]"]


def test_every_argument_is_passed_on_as_it_is(launch: Launcher, tmp_path: Path) -> None:
    launch("serve", "--config", "my proxy.toml", "--", "-h")
    launch("test", "-k", "a b", "--backend", "aiohttp")
    venv = launch.root / ".venv" / "bin"
    assert launch.handed_over == [
        [f"{venv}/python", f"{venv}/downstream-proxy", "serve", "--config", "my proxy.toml", "--", "-h"],
        [f"{venv}/python", "-m", "pytest", "-k", "a b", "--backend", "aiohttp"],
    ]


def test_every_day_all_cores_work_and_otherwise_nothing_is_added(launch: Launcher) -> None:
    launch("test")
    launch("test", "tests/reliability")
    pytest_itself = [str(launch.root / ".venv" / "bin" / "python"), "-m", "pytest"]
    assert launch.handed_over == [
        [*pytest_itself, "-n", "logical", "--dist", "loadfile"],
        [*pytest_itself, "tests/reliability"],
    ]


def test_tests_run_in_the_project_and_other_commands_where_the_user_is(
    launch: Launcher, tmp_path: Path
) -> None:
    launch("serve")
    assert launch.folder == str(tmp_path)
    launch("test")
    assert launch.folder == str(launch.root)


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["help"], 0)])
def test_usage_names_every_command_and_installs_nothing(
    launch: Launcher, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert launch(*arguments) == code
    out, err = capsys.readouterr()
    assert not (out and err)
    for command in launch.module.COMMANDS:
        assert f"\n  {command} " in out + err
    assert launch.calls == []


def test_an_unknown_command_is_one_line(launch: Launcher, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("srve") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("run.py: unknown command 'srve'; one of: demo, test, serve")


def test_pip_of_this_python_installs_from_outside(launch: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: "23.0.1")
    command = launch.real_pip()
    assert command[:3] == [sys.executable, "-m", "pip"]
    assert command[-2:] == ["--python", str(launch.root / ".venv" / "bin" / "python")]


@pytest.mark.parametrize("version", ["22.2.2", None])
def test_without_a_usable_pip_one_line_says_what_to_install(
    launch: Launcher,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str | None,
) -> None:
    def find(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    launch.module.pip = launch.real_pip
    monkeypatch.setattr("importlib.metadata.version", find)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert launch("demo") == 2
    assert "apt-get install python3-pip" in capsys.readouterr().err.splitlines()[-1]


def old_python(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """run.py as a Python 3.9 would run it, with `path` as PATH."""
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); "
        f"sys.argv = [{str(RUN)!r}, *{list(arguments)!r}]; runpy.run_path({str(RUN)!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_old_python_says_what_is_needed(tmp_path: Path) -> None:
    ended = old_python(str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr == (
        "run.py: Python 3.11 or newer is needed, this is 3.9; install one (Debian: apt install python3)\n"
    )


def test_an_old_python_continues_in_a_newer_one(tmp_path: Path) -> None:
    newer = tmp_path / "python3.13"
    newer.write_text('#!/bin/sh\necho "$@"\n')
    newer.chmod(0o755)
    ended = old_python(str(tmp_path), "serve", "a b")
    assert (ended.returncode, ended.stdout) == (0, f"{RUN} serve a b\n")


def test_two_first_runs_at_once_install_once(launch: Launcher) -> None:
    # The second waits for the lock, and then finds the work done.
    slow = FAKE_PIP.replace("print(", "import time; time.sleep(0.5)\nprint(", 1)
    (launch.root / "pip.py").write_text(slow)
    code = (
        "import sys, os, run\n"
        f"run.pip = lambda: [sys.executable, {str(launch.root / 'pip.py')!r}, {str(launch.root)!r}]\n"
        "run.install({'fastapi'})\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=launch.root, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert launch.installed == [".[fastapi]"]
