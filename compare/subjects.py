"""Everything that is compared, by name: how it is started as one fresh process in front of a downstream.

Kinds: "client" (a library behind the seam of one of our backends), "recipe" (a whole app as people write
it), "backend" (ours, with our own downstream), "peer" (another proxy). Must not know what is measured.
"""

from __future__ import annotations

import sys
import tempfile
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .certificate import Certificate
from .clients.apart import child_environment
from .clients.registry import CLIENTS, Library
from .neighbour import VARIABLE as NEIGHBOUR_OF
from .process import LOOPBACK, Launch
from .proxies import PEERS, Peer, Site
from .proxies.asgi import search_path
from .proxies.peer import POOL, first_missing, no_module
from .recipes import RECIPES, Recipe

Kind = Literal["client", "recipe", "backend", "peer"]
Backend = Literal["aiohttp", "fastapi"]

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a subject.

    downstream: URL of the service behind it. folder: for configuration and logs; None makes one below the
    system's temporary folder. certificate: serve TLS with it. backend: which of ours carries a client. pool:
    most connections to the downstream, the same for all. settings: further TOML for a client's downstream
    table. authority: PEM file to trust when the downstream is https.
    """

    port: int
    downstream: str
    folder: Path | None = None
    certificate: Certificate | None = None
    backend: Backend = "fastapi"
    pool: int = POOL
    settings: str = ""
    authority: Path | None = None

    def write(self, name: str, text: str) -> str:
        folder = self.folder or Path(tempfile.mkdtemp(prefix="downstream-proxy-"))
        path = folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True, slots=True)
class Subject:
    """One that is compared. available: why it cannot take part here, or None. command: how to start it."""

    name: str
    kind: Kind
    title: str
    distribution: str
    available: Callable[[], str | None]
    command: Callable[[Start], Launch]


def _trust(start: Start) -> str:
    return f'tls = {{ ca = "{start.authority}" }}\n' if start.authority else ""


def _client(library: Library) -> Subject:
    def command(start: Start) -> Launch:
        config = start.write(
            "client.toml",
            f'log_level = "warning"\naccess_log = false\n\n[downstreams.default]\n'
            f'url = "{start.downstream}"\npool = {{ max_connections = {start.pool} }}\n'
            f"{_trust(start)}{start.settings}",
        )
        argv = [sys.executable, "-m", f"{_PACKAGE}.clients.serve", "--client", library.name]
        argv += [
            "--backend",
            start.backend,
            "--config",
            config,
            "--host",
            LOOPBACK,
            "--port",
            str(start.port),
        ]
        if made := start.certificate:
            argv += ["--ssl-certfile", str(made.cert), "--ssl-keyfile", str(made.key)]
        return Launch(argv, {"PYTHONPATH": search_path(), **library.environment()})

    return Subject(library.name, "client", library.title, library.distribution, library.missing, command)


def _recipe(recipe: Recipe) -> Subject:
    def command(start: Start) -> Launch:
        argv = [sys.executable, "-m", "uvicorn", f"{_PACKAGE}.neighbour:app", "--host", LOOPBACK]
        argv += ["--port", str(start.port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        argv += ["--log-level", "warning", "--backlog", "4096", "--timeout-keep-alive", "75"]
        if made := start.certificate:
            argv += ["--ssl-certfile", str(made.cert), "--ssl-keyfile", str(made.key)]
        return Launch(
            argv,
            {
                NEIGHBOUR_OF: f"{recipe.module}:app",
                "DOWNSTREAM_URL": start.downstream,
                "DOWNSTREAM_POOL": str(start.pool),
                "PYTHONPATH": search_path(),
            },
        )

    modules = first_missing(no_module("fastapi", "fastapi"), no_module("uvicorn", "uvicorn[standard]"))
    library = no_module(recipe.distribution, recipe.distribution)
    missing = first_missing(modules, library)
    return Subject(recipe.name, "recipe", recipe.title, recipe.distribution, missing, command)


def _peer(peer: Peer, kind: Kind, name: str) -> Subject:
    def command(start: Start) -> Launch:
        parts = urllib.parse.urlsplit(start.downstream)
        folder = start.folder or Path(tempfile.mkdtemp(prefix="downstream-proxy-"))
        site = Site(start.port, parts.port or 80, folder, start.certificate)
        return peer.launch(replace(site, downstream=start.downstream, authority=start.authority))

    return Subject(name, kind, peer.title, "", peer.missing, command)


def _all() -> list[Subject]:
    # The httpx recipe of the proxy benchmark is one of the recipes here.
    ours = [_peer(PEERS[name], "backend", f"{name}-backend") for name in ("aiohttp", "fastapi")]
    peers = [
        _peer(PEERS[name], "peer", name)
        for name in ("nginx", "haproxy", "caddy", "fastapi-proxy-lib")
        if name in PEERS
    ]
    return [*map(_client, CLIENTS.values()), *map(_recipe, RECIPES.values()), *ours, *peers]


SUBJECTS: dict[str, Subject] = {subject.name: subject for subject in _all()}

__all__ = ["SUBJECTS", "Backend", "Kind", "Start", "Subject", "child_environment"]
