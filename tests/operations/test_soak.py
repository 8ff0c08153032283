"""Everything at once, for a short time: nothing that clients see is unexplained, every option is in use."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from downstream_proxy.settings_source import load

from ..backends import HOOK, Backend
from .soak import HOST, one
from .soak_origins import SECRETS, Files, free_port
from .soak_proxy import proxy
from .soak_settings import Site, missing, settings

SECONDS = 20.0


@pytest.mark.timeout(180)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_everything_at_once_leaves_nothing_unexplained(backend: Backend) -> None:
    if backend.name not in ("aiohttp", "fastapi"):
        pytest.skip("needs a server that the suite can start")
    result = one(backend.name, SECONDS)
    assert not result.problems, "\n".join(result.problems)


SLOW_SECOND_WORKER = """
import os, sys, time
if "serve" in sys.orig_argv:
    forks = []
    os.register_at_fork(before=lambda: forks.append(1), after_in_child=lambda: time.sleep(len(forks) - 1))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_rest_is_compared_with_two_workers_that_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_SECOND_WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    taken: set[int] = set()
    site = _site(tmp_path, free_port(taken), free_port(taken))
    async with proxy(site, 1, tmp_path) as serving:
        loops = [_has_event_loop(pid) for pid in serving.workers()]
    assert loops == [True, True]


def _has_event_loop(pid: int) -> bool:
    return any("eventpoll" in os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir())


def _site(directory: Path, port: int = 1, admin: int = 2) -> Site:
    """In front of nobody."""
    files = Files(directory, HOST)
    (directory / "suite_hook.py").write_text(HOOK)
    urls = tuple(f"http://127.0.0.1:{number}" for number in (1, 2, 3))
    tls_urls = tuple(url.replace("http", "https") for url in urls)
    socket = directory / "redis.sock"
    return Site("fastapi", HOST, port, f"127.0.0.1:{admin}", urls, tls_urls, socket, files.pems)


def _claim(directory: Path, monkeypatch: pytest.MonkeyPatch, without: str = "") -> list[str]:
    """What is wrong with the claim, with one line of the settings left out."""
    monkeypatch.setenv("SOAK_SECRET", SECRETS[0])
    lines = settings(_site(directory)).splitlines()
    config = directory / "proxy.toml"
    config.write_text("\n".join(line for line in lines if not without or not line.startswith(without)))
    return missing(load(config=str(config)).settings)


def test_every_option_is_in_use_or_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _claim(tmp_path, monkeypatch) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shutdown_delay", "timeouts.shutdown_delay is not set, and no reason is given"),
        ("window", "downstreams.NAME.rate_limits.window is not set, and no reason is given"),
        ("host_header", "downstreams.NAME.host_header is not set, and no reason is given"),
    ],
)
def test_option_that_is_left_out_is_found(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _claim(tmp_path, monkeypatch, line) == [said]
