"""Measures what sets our two backends apart beside cost: code, dependencies, start, memory at rest,
operations.

Must not know how it is shown. Everything is counted or timed here; nothing is typed in.
"""

from __future__ import annotations

import ast
import importlib.metadata
import io
import json
import os
import re
import signal
import statistics
import tempfile
import threading
import time
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from . import origin, procfs
from .cores import layout
from .paths import PACKAGE, checkout
from .process import StartError, free_port, get, started, wait_ready
from .proxies import PEERS, Peer, Site

BACKENDS = {"aiohttp": "aiohttp_impl", "fastapi": "fastapi_impl"}
STARTS = 5
LATE_MS = 700
LIMIT = 20.0  # seconds that anything here may take
KIND = "sides"


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """All figures by backend. Raises StartError when one does not start."""
    sides = layout()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="downstream-proxy-") as name:
        folder = Path(name) / "origin"
        folder.mkdir()
        port = free_port()
        launch = origin.launch(folder, port, origin.Service(late_ms=(LATE_MS,)))
        with started(launch, cores=sides.load, folder=folder, name="origin") as running:
            wait_ready(running, port, "/1k")
            for backend, package in BACKENDS.items():
                say(f"{backend}: code, dependencies, {STARTS} starts, drain, a worker lost")
                found[backend] = {
                    **_code(package),
                    **_dependencies(backend),
                    **_starts(PEERS[backend], port, Path(name)),
                    **_drain(PEERS[backend], port, Path(name)),
                    **_worker_lost(PEERS[backend], port, Path(name)),
                }
    return {"format": 1, "kind": KIND, "backends": found, "engine_lines": _engine_lines()}


def write(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n")


def _package(name: str) -> Path:
    root = checkout()
    if name == "downstream_proxy" and root:
        return root / "shared" / name
    return (root or PACKAGE.parent) / name


def _code(package: str) -> dict[str, Any]:
    files = sorted(_package(package).glob("*.py"))
    return {"files": len(files), "lines": sum(code_lines(file.read_text()) for file in files)}


def _engine_lines() -> int:
    return sum(code_lines(file.read_text()) for file in _package("downstream_proxy").rglob("*.py"))


def code_lines(text: str) -> int:
    """Lines that hold code: no blank ones, comments or docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


_NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
)


def _dependencies(backend: str) -> dict[str, Any]:
    names = sorted(closure("downstream-proxy", {backend} if backend == "fastapi" else set()))
    size = sum(_size(name) for name in names)
    return {"distributions": names, "installed_mib": round(size / 2**20, 1)}


def closure(root: str, extras: set[str]) -> set[str]:
    """Every distribution that `root` with these extras brings in here, without itself."""
    found: set[str] = set()
    waiting = [(root, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, frozenset(wanted)) in seen:
            continue
        seen.add((name, frozenset(wanted)))
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if name != root:
            found.add(name)
        for line in requires:
            need = Requirement(line)
            marker = need.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (wanted or {""})):
                waiting.append((re.sub(r"[-_.]+", "-", need.name).lower(), set(need.extras)))
    return found - {root}


def _size(name: str) -> int:
    files = importlib.metadata.files(name) or []
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())


def _site(origin_port: int, folder: Path, workers: int = 1) -> Site:
    own = Path(tempfile.mkdtemp(dir=folder))
    return Site(port=free_port(), origin_port=origin_port, folder=own, workers=workers)


def _starts(peer: Peer, origin_port: int, folder: Path) -> dict[str, Any]:
    seconds, resident = [], []
    for _ in range(STARTS):
        site = _site(origin_port, folder)
        began = time.monotonic()
        with started(
            peer.launch(site), cores=layout().proxy[:1], folder=site.folder, name=peer.name
        ) as proxy:
            wait_ready(proxy, site.port, "/1k")
            seconds.append(time.monotonic() - began)
            resident.append(procfs.memory(proxy.pid).rss / 1024)
    return {
        "start_s": round(statistics.median(seconds), 2),
        "rest_mib": round(statistics.median(resident), 1),
    }


def _drain(peer: Peer, origin_port: int, folder: Path) -> dict[str, Any]:
    """SIGTERM while a request is in flight: is it answered, and how soon after that is the process gone?"""
    site = _site(origin_port, folder)
    answered: list[tuple[int, int]] = []

    def ask() -> None:
        answered.append(get(site.port, origin.late("/1k", LATE_MS)))

    with started(peer.launch(site), cores=None, folder=site.folder, name=peer.name) as proxy:
        wait_ready(proxy, site.port, "/1k")
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(LATE_MS / 2000)
        os.kill(proxy.pid, signal.SIGTERM)
        asking.join(LIMIT)
        since = time.monotonic()
        while proxy.alive() and time.monotonic() - since < LIMIT:
            time.sleep(0.01)
        return {
            "drain_answered": answered == [(200, 1024)],
            "drain_s": round(time.monotonic() - since, 2),
        }


def _worker_lost(peer: Peer, origin_port: int, folder: Path) -> dict[str, Any]:
    """Of two workers one is killed: how long until there are two again?"""
    site = _site(origin_port, folder, workers=2)
    with started(peer.launch(site), cores=None, folder=site.folder, name=peer.name) as proxy:
        wait_ready(proxy, site.port, "/1k")
        before = _settled(proxy.pid)
        lost = before[-1]
        os.kill(lost, signal.SIGKILL)
        since = time.monotonic()
        while time.monotonic() - since < LIMIT:
            now = [stat.pid for stat in procfs.tree(proxy.pid)]
            if lost not in now and len(now) == len(before):
                return {"worker_replaced_s": round(time.monotonic() - since, 2)}
            time.sleep(0.01)
    raise StartError(f"{peer.name}: a worker that was killed was not replaced in {LIMIT:.0f} s")


def _settled(pid: int) -> list[int]:
    """The pids of a tree with its workers, once their number stays the same."""
    pids: list[int] = []
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        now = [stat.pid for stat in procfs.tree(pid)]
        if now == pids and len(now) > 2:
            break
        pids = now
        time.sleep(0.3)
    return pids
