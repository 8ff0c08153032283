"""The same traffic while other process managers renew their workers: gunicorn with aiohttp's and uvicorn's
worker, uvicorn's own. Each has SIGHUP for it.

WebSockets are left out, as aiohttp's worker cannot serve them here. It must not know how figures are printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from ..reliability.bench import until
from ..reliability.caller import get, once
from ..reliability.lab import Lab
from .changing import Bench, Change
from .running import WITHIN, running
from .traffic import KINDS, ROUTES, Tally, Traffic, origin

PLAIN = tuple(kind for kind in KINDS if "WebSocket" not in kind)

APPLICATION = """
import asyncio, os
from downstream_proxy.settings_source import load
from uvicorn.workers import UvicornWorker
import fastapi_impl, aiohttp_impl

settings = load(config=os.environ["OPERATIONS_CONFIG"]).settings

def fastapi():
    return fastapi_impl.create_app(settings)

async def aiohttp():
    return aiohttp_impl.create_app(settings)

class Worker(UvicornWorker):
    CONFIG_KWARGS = {"http": "fastapi_impl.protocol:ProxyProtocol", "ws": "none"}
"""

_GUNICORN = (
    "gunicorn",
    "--bind",
    "fd://{fd}",
    "--workers",
    "2",
    "--graceful-timeout",
    "30",
    "--log-level",
    "error",
)
COMMANDS = {
    "gunicorn, aiohttp's worker": (
        *_GUNICORN,
        "-k",
        "aiohttp.GunicornUVLoopWebWorker",
        "application:aiohttp",
    ),
    "gunicorn, uvicorn's worker": (*_GUNICORN, "-k", "application.Worker", "application:fastapi()"),
    "uvicorn": (
        *("uvicorn", "--factory", "application:fastapi", "--fd", "{fd}", "--workers", "2", "--ws", "none"),
        *("--http", "fastapi_impl.protocol:ProxyProtocol", "--log-level", "error"),
        *("--timeout-graceful-shutdown", "30", "--timeout-worker-healthcheck", "60"),
    ),
}


@dataclass
class Renewed:
    """A Change under another manager."""

    manager: str
    change: Change


async def ours(bench: Bench) -> Renewed:
    """The supervisor of `serve`, for comparison."""
    lab, tally = await Lab().start(), Tally()
    try:
        async with origin(lab, tally) as sockets:
            settings = bench.settings(sockets, 0)
            async with (
                running(bench.backend, settings, lab, bench.directory) as serving,
                Traffic(serving.address, tally, bench.scale.seed, kinds=PLAIN).flowing(),
            ):
                for _ in range(bench.scale.restarts):
                    await serving.restart()
                    await serving.all_but_one_ended()
    finally:
        lab.stop()
    return Renewed(f"`serve`, {bench.backend.name}", Change("SIGUSR2", bench.scale.restarts, tally))


async def renewed(manager: str, bench: Bench) -> Renewed:
    """Under traffic: SIGHUP, and all workers replaced, as often as there are restarts."""
    directory = bench.directory / manager.replace(" ", "-").replace("'", "")
    directory.mkdir()
    (directory / "application.py").write_text(APPLICATION)
    lab, tally = await Lab().start(), Tally()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        async with origin(lab, tally) as sockets:
            config = ROUTES.replace("$ORIGIN", lab.authority.decode()).replace("$SOCKETS", str(sockets))
            (directory / "proxy.toml").write_text("access_log = false\n" + config)
            process = await _start(manager, directory, listener)
            try:
                address = listener.getsockname()
                await once(address, get("/get", "Connection: close"))
                async with Traffic(address, tally, bench.scale.seed, kinds=PLAIN).flowing():
                    for _ in range(bench.scale.restarts):
                        before = _workers(process.pid)
                        process.send_signal(signal.SIGHUP)
                        await until(lambda before=before: not before & _workers(process.pid), WITHIN)  # type: ignore[misc]
                        await asyncio.sleep(0.5)
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()
                lab.stop()
    return Renewed(manager, Change("SIGHUP", bench.scale.restarts, tally))


async def _start(manager: str, directory: Path, listener: socket.socket) -> asyncio.subprocess.Process:
    fd = listener.fileno()
    module, *flags = (part.format(fd=fd) for part in COMMANDS[manager])
    environment = {"PYTHONPATH": str(directory), "OPERATIONS_CONFIG": str(directory / "proxy.toml")}
    with (directory / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *flags),
            cwd=directory,
            env=os.environ | environment,
            pass_fds=[fd],
            stderr=log,
            stdout=log,
        )


def _workers(pid: int) -> set[int]:
    """Those of its children that serve; Python's own helper processes of uvicorn are not among them."""
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"resource_tracker" not in command:
            found.add(int(child))
    return found
