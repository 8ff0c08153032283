"""What a peer is: a proxy that can be written a config and started on one worker.

Each file beside this one describes one peer in a constant `PEER` and states its settings in
its docstring. Must not know how peers are measured.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import programs
from ..certificate import Certificate
from ..process import LOOPBACK, Launch

#: Connections to the origin that every peer may keep open: more than any workload has in flight.
POOL = 1024

TLS = "tls"
WORKERS = "workers"
ROUTES = "routes"
#: Asks the origin over TLS, trusting the authority that the site names.
ORIGIN_TLS = "origin-tls"


@dataclass(frozen=True, slots=True)
class Site:
    """What one start of a peer must serve. `folder` is its own, empty, and removed afterwards.

    With `routes` above 1 there is one route for each prefix of `prefixes()`, all to the origin.
    `downstream`: an URL to forward to instead of the origin at its port; `authority`: PEM file to trust when
    that is https. `websocket`: with what a peer must be told before it relays WebSockets.
    """

    port: int
    origin_port: int
    folder: Path
    certificate: Certificate | None = None
    workers: int = 1
    routes: int = 1
    downstream: str = ""
    authority: Path | None = None
    websocket: bool = False

    @property
    def downstream_url(self) -> str:
        return self.downstream or f"http://{self.origin}"

    @property
    def origin(self) -> str:
        return f"{LOOPBACK}:{self.origin_port}"

    def prefixes(self) -> list[str]:
        return [f"/r{index:04d}/" for index in range(self.routes)] if self.routes > 1 else []

    def write(self, name: str, text: str) -> str:
        """Write a file into the folder; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True, slots=True)
class Peer:
    """One proxy. `missing` gives one line saying why it cannot run here, or None."""

    name: str
    title: str
    settings: str
    missing: Callable[[], str | None]
    version: Callable[[], str]
    launch: Callable[[Site], Launch]
    features: frozenset[str] = frozenset()


def no_program(name: str, package: str) -> Callable[[], str | None]:
    """A `missing` check for a program on the path."""
    return lambda: programs.missing(name, package)


def no_module(module: str, install: str) -> Callable[[], str | None]:
    """A `missing` check for an importable module."""

    def check() -> str | None:
        if importlib.util.find_spec(module) is None:
            return f"the module {module} is not installed (pip install {install})"
        return None

    return check


def first_missing(*checks: Callable[[], str | None]) -> Callable[[], str | None]:
    """The first reason that any of the checks gives."""
    return lambda: next((reason for check in checks if (reason := check())), None)


def program_version(name: str, *arguments: str) -> Callable[[], str]:
    """The first version number that a program prints about itself."""

    def read() -> str:
        try:
            shown = subprocess.run(
                [programs.path(name), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        match = re.search(r"\d+\.\d+(\.\d+)?", shown.stdout + shown.stderr)
        return match.group(0) if match else "unknown"

    return read


def packages_version(*names: str) -> Callable[[], str]:
    """Name and version of installed distributions."""

    def read() -> str:
        found = []
        for name in names:
            try:
                found.append(f"{name} {importlib.metadata.version(name)}")
            except importlib.metadata.PackageNotFoundError:
                continue
        return ", ".join(found) or "unknown"

    return read


def user_line() -> str:
    """nginx only: as root it would change to a user who cannot read the temporary folder."""
    return "user root;" if os.geteuid() == 0 else ""
