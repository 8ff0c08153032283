"""FastAPI with httpx as in the well-known recipe (see recipes/httpx_lifespan.py).

Settings: uvicorn with uvloop and httptools, access log off, keep-alive 75 s; pool limits raised to those of
the other peers.
"""

from __future__ import annotations

from ..process import Launch
from . import asgi
from .peer import TLS, WORKERS, Peer, Site, first_missing, no_module, packages_version


def launch(site: Site) -> Launch:
    return asgi.run("httpx_lifespan", site)


PEER = Peer(
    name="fastapi-httpx",
    title="FastAPI + httpx",
    settings="uvicorn (uvloop, httptools), client in lifespan, StreamingResponse, equal pool limits",
    missing=first_missing(
        no_module("fastapi", "fastapi"),
        no_module("uvicorn", "uvicorn[standard]"),
        no_module("uvloop", "uvloop"),
        no_module("httpx", "httpx"),
    ),
    version=packages_version("fastapi", "starlette", "uvicorn", "httpx", "httpcore"),
    launch=launch,
    features=frozenset({TLS, WORKERS}),
)
