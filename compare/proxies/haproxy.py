"""HAProxy as a reverse proxy.

Settings: threads as asked (its form of workers); no log; keep-alive on both sides; `option forwardfor`
and X-Forwarded-Proto; connections to the origin reused by its default policy (`http-reuse safe`);
buffers at their default size (16 KiB). Routes are a prefix map, its documented way to many of them.
"""

from __future__ import annotations

import resource

from .. import programs
from ..process import LOOPBACK, Launch
from .peer import ROUTES, TLS, WORKERS, Peer, Site, no_program, program_version

CONFIG = """\
global
    nbthread {threads}
    maxconn {connections}
defaults
    mode http
    option http-keep-alive
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 75s
frontend clients
    bind {host}:{port} backlog 4096{ssl}
    http-request set-header X-Forwarded-Proto {scheme}
    {routing}
backend origin
    server origin {origin}
"""


def launch(site: Site) -> Launch:
    made = site.certificate
    routing = "default_backend origin"
    if prefixes := site.prefixes():
        table = site.write("routes.map", "".join(f"{prefix} origin\n" for prefix in prefixes))
        routing = f"use_backend %[path,map_beg({table})]"
    config = CONFIG.format(
        threads=site.workers,
        # Two descriptors for each connection; HAProxy does not start when the limit is lower.
        connections=min(16_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2),
        host=LOOPBACK,
        port=site.port,
        ssl=f" ssl crt {made.both}" if made else "",
        scheme="https" if made else "http",
        routing=routing,
        origin=site.origin,
    )
    return Launch([programs.path("haproxy"), "-f", site.write("haproxy.cfg", config), "-db"])


PEER = Peer(
    name="haproxy",
    title="HAProxy",
    settings="no log, keep-alive on both sides, default buffers",
    missing=no_program("haproxy", "haproxy"),
    version=program_version("haproxy", "-v"),
    launch=launch,
    features=frozenset({TLS, WORKERS, ROUTES}),
)
