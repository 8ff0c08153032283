"""How an ASGI recipe is run: uvicorn with uvloop and httptools, access log off, as for production.

Must not know the recipes.
"""

from __future__ import annotations

import sys

from ..process import LOOPBACK, Launch
from .peer import POOL, Site

RECIPES = __name__.removesuffix(".proxies.asgi") + ".recipes"


def run(recipe: str, site: Site) -> Launch:
    """Start `recipes/<recipe>.py:app`; TLS and workers as the site asks."""
    argv = [
        sys.executable,
        "-m",
        "uvicorn",
        f"{RECIPES}.{recipe}:app",
        "--host",
        LOOPBACK,
        "--port",
        str(site.port),
    ]
    argv += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    argv += ["--workers", str(site.workers), "--backlog", "4096", "--timeout-keep-alive", "75"]
    if site.certificate:
        argv += ["--ssl-certfile", str(site.certificate.cert), "--ssl-keyfile", str(site.certificate.key)]
    env = {
        "DOWNSTREAM_URL": f"http://{site.origin}",
        "DOWNSTREAM_POOL": str(POOL),
        "PYTHONPATH": search_path(),
    }
    return Launch(argv, env)


def search_path() -> str:
    """This process's import path, so that the child finds the same packages from another folder."""
    return ":".join(entry for entry in sys.path if entry)
