"""The shape of the house: who may import whom, and that the two adapters have the same rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ("aiohttp_impl", "fastapi_impl")


def imported_by(module: str, *, without: str = "") -> set[str]:
    """The names of all modules loaded in a fresh process after `import module`."""
    block = f"sys.modules[{without!r}] = None; " if without else ""
    program = f"import sys; {block}import {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["downstream_proxy.forwarder", "downstream_proxy.cli"])
def test_engine_loads_no_web_framework(module: str) -> None:
    assert not imported_by(module) & {"fastapi", "starlette", "uvicorn", "aiohttp.web"}


def test_aiohttp_backend_loads_without_fastapi_installed() -> None:
    assert not imported_by("aiohttp_impl", without="fastapi") & {"starlette", "uvicorn"}


def test_engine_source_names_no_web_framework() -> None:
    for path in (ROOT / "shared" / "downstream_proxy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in ("fastapi", "starlette", "uvicorn"), path
                assert not name.startswith("aiohttp.web"), path


def test_adapters_have_the_same_rooms() -> None:
    rooms = [{path.name for path in (ROOT / adapter).glob("*.py")} for adapter in ADAPTERS]
    assert rooms[0] == rooms[1]


@pytest.mark.parametrize(
    ("room", "names"),
    [
        ("app.py", {"create_app"}),
        ("handler.py", {"proxy", "read_request", "send_response"}),
        ("lifespan.py", {"lifespan"}),
        ("protocol.py", {"ProxyProtocol"}),
        ("receive.py", {"received_request"}),
        ("server.py", {"serve"}),
        ("websocket.py", {"tunnel"}),
    ],
)
def test_rooms_have_the_same_doors(room: str, names: set[str]) -> None:
    for adapter in ADAPTERS:
        tree = ast.parse((ROOT / adapter / room).read_text())
        defined = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        assert names <= defined, f"{adapter}/{room}"
