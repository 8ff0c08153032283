"""fastapi-proxy-lib's reverse HTTP app (see recipes/fastapi_proxy_lib_app.py).

Settings: uvicorn with uvloop and httptools, access log off, keep-alive 75 s; pool limits raised to those of
the other peers.
"""

from __future__ import annotations

from ..process import Launch
from . import asgi
from .peer import TLS, WORKERS, Peer, Site, first_missing, no_module, packages_version


def launch(site: Site) -> Launch:
    return asgi.run("fastapi_proxy_lib_app", site)


PEER = Peer(
    name="fastapi-proxy-lib",
    title="fastapi-proxy-lib",
    settings="uvicorn (uvloop, httptools), reverse_http_app, equal pool limits",
    missing=first_missing(
        no_module("fastapi_proxy_lib", "fastapi-proxy-lib"),
        no_module("uvicorn", "uvicorn[standard]"),
        no_module("uvloop", "uvloop"),
    ),
    version=packages_version("fastapi-proxy-lib", "httpx", "fastapi", "uvicorn"),
    launch=launch,
    features=frozenset({TLS, WORKERS}),
)
