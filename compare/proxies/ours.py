"""Our two backends, started through their own entry points (`python -m aiohttp_impl`).

Settings: the whole contract with its defaults (header hygiene, forwarding identity, limits, metrics,
timeouts), access log off, connections to the origin raised to those of the other peers. With many
routes, one downstream table for each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..process import LOOPBACK, Launch
from .asgi import search_path
from .peer import (
    ORIGIN_TLS,
    POOL,
    ROUTES,
    TLS,
    WORKERS,
    Peer,
    Site,
    first_missing,
    no_module,
    packages_version,
)

TABLE = """\
[downstreams.{name}]
url = "{url}"
prefix = "{prefix}"
pool = {{ max_connections = {pool} }}
{tls}
"""


def config(site: Site) -> str:
    """The TOML file of a site."""
    prefixes = [prefix.rstrip("/") for prefix in site.prefixes()] or ["/"]
    tls = f'tls = {{ ca = "{site.authority}" }}' if site.authority else ""
    tables = [
        TABLE.format(name=f"d{index}", url=site.downstream_url, prefix=prefix, pool=POOL, tls=tls)
        for index, prefix in enumerate(prefixes)
    ]
    return 'log_level = "warning"\naccess_log = false\n\n' + "\n".join(tables)


def _launcher(module: str) -> Callable[[Site], Launch]:
    def launch(site: Site) -> Launch:
        argv = [sys.executable, "-m", module, "--config", site.write("proxy.toml", config(site))]
        argv += [
            "--host",
            LOOPBACK,
            "--port",
            str(site.port),
            "--no-access-log",
            "--workers",
            str(site.workers),
        ]
        if site.certificate:
            argv += ["--ssl-certfile", str(site.certificate.cert), "--ssl-keyfile", str(site.certificate.key)]
        return Launch(argv, {"PYTHONPATH": search_path()})

    return launch


SETTINGS = "the whole contract with its defaults, access log off, equal pool limits"
FEATURES = frozenset({TLS, WORKERS, ROUTES, ORIGIN_TLS})

AIOHTTP = Peer(
    name="aiohttp",
    title="our aiohttp backend",
    settings=SETTINGS,
    missing=no_module("aiohttp_impl", "downstream-proxy"),
    version=packages_version("downstream-proxy", "aiohttp", "uvloop"),
    launch=_launcher("aiohttp_impl"),
    features=FEATURES,
)

FASTAPI = Peer(
    name="fastapi",
    title="our FastAPI backend",
    settings=SETTINGS,
    missing=first_missing(
        no_module("fastapi_impl", "downstream-proxy"), no_module("fastapi", "'downstream-proxy[fastapi]'")
    ),
    version=packages_version("downstream-proxy", "fastapi", "starlette", "uvicorn", "aiohttp", "uvloop"),
    launch=_launcher("fastapi_impl"),
    features=FEATURES,
)
