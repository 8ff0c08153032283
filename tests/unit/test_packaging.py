"""The distribution: what a wheel holds, and that lock, constraints and pyproject agree."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (CHECKOUT / "pyproject.toml").is_file(), reason="the source tree only")
TOP_LEVEL = {
    "aiohttp_impl",
    "downstream_proxy",
    "downstream_proxy_compare",
    "downstream_proxy_demo",
    "downstream_proxy_suite",
    "fastapi_impl",
}
REGISTRIES = {"https://pypi.org", "https://files.pythonhosted.org"}


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return read_toml("pyproject.toml")


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return read_toml("uv.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="the build backend is not installed (extra: test)")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        timeout=50,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_installs_our_names_and_no_other(wheel: zipfile.ZipFile) -> None:
    found = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in found if not name.endswith(".dist-info")} == TOP_LEVEL


def test_the_wheel_is_typed_licensed_and_has_the_command(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for package in ("downstream_proxy", "aiohttp_impl", "fastapi_impl"):
        assert f"{package}/py.typed" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert b"downstream-proxy = downstream_proxy.cli:main" in wheel.read(entry_points)
    (metadata,) = (name for name in names if name.endswith("METADATA"))
    headers = Parser().parsestr(wheel.read(metadata).decode())
    assert headers["License-Expression"] == "MIT"
    assert headers["Requires-Python"] == ">=3.11"


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for folder, package in (
        ("shared/downstream_proxy", "downstream_proxy"),
        ("aiohttp_impl", "aiohttp_impl"),
        ("fastapi_impl", "fastapi_impl"),
        ("demo/downstream_proxy_demo", "downstream_proxy_demo"),
    ):
        for file in (CHECKOUT / folder).rglob("*"):
            inside = file.relative_to(CHECKOUT / folder)
            if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
                assert f"{package}/{inside}" in names


def test_what_the_wheel_renames_imports_itself_by_relative_names_only(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        if not name.startswith(("downstream_proxy_suite/", "downstream_proxy_compare/")):
            continue
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(wheel.read(name))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                imported = [node.module or ""]
            tops = {module.partition(".")[0] for module in imported}
            assert not tops & {"tests", "compare", "shared"}, name


def test_the_core_does_not_need_fastapi(pyproject: dict[str, Any]) -> None:
    core = {re.split(r"[^\w-]", entry)[0] for entry in pyproject["project"]["dependencies"]}
    assert not core & {"fastapi", "starlette", "uvicorn"}
    assert set(pyproject["project"]["optional-dependencies"]) >= {
        *("fastapi", "compare", "test", "otel", "redis", "all")
    }


def requirements(pyproject: dict[str, Any]) -> list[str]:
    extras = pyproject["project"]["optional-dependencies"].values()
    return [*pyproject["project"]["dependencies"], *(entry for extra in extras for entry in extra)]


def test_every_dependency_has_a_floor_and_no_ceiling(pyproject: dict[str, Any]) -> None:
    for entry in requirements(pyproject):
        if entry.startswith("downstream-proxy["):
            continue
        assert re.fullmatch(r"[\w.-]+(\[\w+\])?>=\d[\w.]*(; .+)?", entry), entry


def test_the_lock_was_made_from_this_pyproject(pyproject: dict[str, Any], lock: dict[str, Any]) -> None:
    (own,) = (package for package in lock["package"] if package["name"] == "downstream-proxy")
    locked = {(entry["name"], entry.get("specifier", "")) for entry in own["metadata"]["requires-dist"]}
    declared = set()
    for entry in requirements(pyproject):
        name, specifier = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?([^;]*)(?:;.*)?", entry).groups()  # type: ignore[union-attr]
        declared.add((name, specifier))
    assert locked == declared, "run .ci/lock"
    assert own["version"] == pyproject["project"]["version"], "run .ci/lock"


def test_the_constraints_are_the_versions_of_the_lock(lock: dict[str, Any]) -> None:
    constrained = set()
    for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition(";")[0].strip().partition("==")
            assert "[" not in name, "pip accepts no extras in constraints"
            constrained.add((name, version))
    locked = {
        (package["name"], package["version"])
        for package in lock["package"]
        if package["name"] != "downstream-proxy"
    }
    assert constrained == locked, "run .ci/lock"


def test_lock_and_constraints_name_the_public_index_only() -> None:
    for name in ("uv.lock", "constraints.txt"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"\w+://[^/\s\"]+", text)) <= REGISTRIES
        assert "file:" not in text
        assert "--" not in text.replace("--no-", ""), "no index options"


def test_a_core_installation_can_be_imported_without_frameworks() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn')))\n"
        "import downstream_proxy, aiohttp_impl\n"
        "import downstream_proxy.forwarder, downstream_proxy.cli_serve\n"
        "assert callable(aiohttp_impl.create_app) and callable(aiohttp_impl.serve)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.timeout(150)
def test_the_wheel_checks_a_server_without_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """A few rules against a server from the same wheel, from another folder, with all three files."""
    site = tmp_path / "site"
    wheel.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    with socket.create_server(("127.0.0.1", 0)) as origin, socket.create_server(("127.0.0.1", 0)) as listener:
        ports = [made.getsockname()[1] for made in (origin, listener)]
        origin.close()  # for the suite's own
        command = [sys.executable, "-m", "aiohttp_impl", "--fd", str(listener.fileno())]
        command += ["--downstream", f"http://127.0.0.1:{ports[0]}"]
        server = subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    check = [sys.executable, "-m", "downstream_proxy", "check", f"http://127.0.0.1:{ports[1]}"]
    check += ["--origin-listen", f"127.0.0.1:{ports[0]}", "--patience", "20", "-k", "target.fragment:"]
    check += ["--json", "score.json", "--junit", "score.xml", "--html", "score.html"]
    try:
        ended = subprocess.run(
            check, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )
    finally:
        server.terminate()
        server.wait(20)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "RFC SHOULD: 1 kept, 0 broken" in ended.stdout
    (rule,) = json.loads((tmp_path / "score.json").read_text())["rules"]
    assert (rule["rule"], rule["verdict"]) == ("target.fragment", "kept")
    assert "<testcase" in (tmp_path / "score.xml").read_text()
    assert "target.fragment" in (tmp_path / "score.html").read_text()
