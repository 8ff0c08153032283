"""`downstream-proxy serve`: from settings to a running backend.

What it is for: the steps of a start in their order, each failing with one line: backend, TLS, sockets,
banner, run.
What it must not know: how a backend serves; it calls `serve(settings, sockets)` of the chosen one.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from .access_log import bare
from .banner import banner, event_loop
from .cli_delegate import MissingPartError
from .garbage import tune_collector
from .handover import Predecessor
from .listener import ListenError, bind, bind_admin, close
from .metrics_shared import Slot, WorkerMetrics
from .preflight import preflight
from .rate_limits import counts_apart
from .runtime import Runtime
from .runtime_command import ServeRuntime, SupervisorRuntime, WorkerRuntime
from .settings import Settings
from .workers import Supervisor


class ServeFunction(Protocol):
    """What a backend's package offers; one whose library may be unfit says why in `unsupported()`."""

    def __call__(
        self,
        settings: Settings,
        sockets: list[socket.socket],
        admin: Sequence[socket.socket] = (),
        *,
        runtime: Runtime | None = None,
    ) -> Coroutine[Any, Any, None]: ...


logger = logging.getLogger("downstream_proxy")
TRACE = 5
_EXTRA_MODULES = {"fastapi": ("fastapi", "starlette", "uvicorn", "httptools")}


def serve(settings: Settings, load: Callable[[], Settings] | None = None) -> int:
    """Serve until told to stop; the exit code.

    load: the settings anew, from where `settings` came, for SIGHUP; it may raise ConfigurationError. Raises
    ConfigurationError, ListenError or MissingPartError before anything is served.
    """
    preflight(settings)
    backend = _backend(settings.backend)
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise ListenError("several workers need a system with fork(); use --workers 1")
    _configure_logging(settings.log_level)
    if counts_apart(settings):
        logger.warning("rate_limits.storage is memory://, so each worker counts for itself; share a Redis")
    loop_name, new_loop = event_loop()
    predecessor = Predecessor.from_environment()
    sockets, admin = predecessor.sockets(settings) if predecessor else ([], [])
    sockets = sockets or bind(settings)
    kind = SupervisorRuntime if settings.workers > 1 else ServeRuntime
    runtime = kind(settings, load or (lambda: settings), _apply, (sockets, admin), predecessor)

    def run(of: Runtime) -> int:
        tune_collector()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_until_stopped(backend(of.settings, sockets, admin, runtime=of)))
        return 0

    try:
        if not admin:
            admin += bind_admin(settings)
        print(banner(settings, sockets, admin, loop_name, _portable()), file=sys.stderr, flush=True)
        if not isinstance(runtime, SupervisorRuntime):
            return run(runtime)
        slots = [Slot() for _ in range(settings.workers)]

        def work() -> int:
            return run(WorkerRuntime(runtime, supervisor.say_ready, WorkerMetrics(slots, supervisor.slot)))

        supervisor = Supervisor(settings.workers, work, runtime)
        return supervisor.run()
    finally:
        close([*sockets, *admin], settings, keep_path=runtime.handed_over)


def _apply(settings: Settings) -> None:
    """What a new configuration changes in this process beside its proxy."""
    logging.getLogger().setLevel(_level(settings.log_level))


async def _until_stopped(serving: Coroutine[Any, Any, None]) -> None:
    """Await `serving`, and cancel it on a stop signal that comes before it listens for them itself."""
    task = asyncio.ensure_future(serving)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _backend(name: str) -> ServeFunction:
    try:
        module = importlib.import_module(f"{name}_impl")
        serve_function: ServeFunction = module.serve
    except ImportError as error:
        if (error.name or "").startswith("aiohttp."):
            raise MissingPartError(
                f"{str(error).partition(' (')[0]}, which the {name} backend needs; install the aiohttp that "
                "constraints.txt names"
            ) from None
        if (error.name or "").partition(".")[0] not in _EXTRA_MODULES.get(name, ()):
            raise  # a broken installation, not an extra left out: the traceback is what helps
        raise MissingPartError(
            f"the {name} backend needs the extra: pip install 'downstream-proxy[{name}]' "
            f"(no module {error.name})"
        ) from None
    if reason := getattr(module, "unsupported", _nothing)():
        raise MissingPartError(reason)
    return serve_function


def _nothing() -> None:
    """No reason against it."""


def _portable() -> str | None:
    # Imported here: the commands that only look at settings start faster without aiohttp.
    from .downstream_choice import portable_because

    return portable_because()


def _configure_logging(level: str) -> None:
    logging.addLevelName(TRACE, "TRACE")
    logging.basicConfig(
        level=_level(level),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    whole_lines = logging.StreamHandler(sys.stdout)
    whole_lines.setFormatter(logging.Formatter("%(message)s"))
    bare.addHandler(whole_lines)
    bare.setLevel(logging.INFO)
    bare.propagate = False


def _level(name: str) -> int | str:
    return TRACE if name == "trace" else name.upper()
