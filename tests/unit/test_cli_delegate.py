"""Commands that other packages of this project bring get each argument; an absent one is said in a line."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from downstream_proxy import cli

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command line outside of the checkout: exit code and lines on standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, list[str]]:
        code = cli.main(list(arguments))
        return code, capsys.readouterr().err.splitlines()

    return call


def test_a_delegated_command_gets_every_argument(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def stand_in(arguments: list[str]) -> int:
        seen.append(arguments)
        return 7

    module = types.ModuleType("downstream_proxy_demo.runner")
    module.main = stand_in  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "downstream_proxy_demo.runner", module)
    code, _ = run("demo", "--only", "aiohttp", "--help", "--", "-x")
    assert (code, seen) == (7, [["--only", "aiohttp", "--help", "--", "-x"]])


def test_a_delegated_command_that_is_absent_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("downstream_proxy.cli_delegate._in_checkout", lambda: False)
    monkeypatch.setitem(sys.modules, "downstream_proxy_compare", None)
    code, err = run("compare")
    assert code == 2
    assert err == [
        "downstream-proxy: the command 'compare' is not part of this installation: "
        "pip install 'downstream-proxy[compare]'"
    ]


def test_a_delegated_command_that_lacks_a_library_names_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "downstream_proxy_suite"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "check.py").write_text("import no_such_library.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, err = run("check")
    assert code == 2
    assert err == [
        "downstream-proxy: the command 'check' needs no_such_library: pip install 'downstream-proxy[test]'"
    ]
