"""Caddy as a reverse proxy.

Settings: no access log; admin interface off; HTTP/1.1 with keep-alive to the origin. Caddy keeps 32 idle
connections to an origin unless told otherwise and would then reconnect all the time at 64 in flight, so
`keepalive_idle_conns_per_host` is raised, as its users do. Forwarding headers as Caddy sets them. It has
threads instead of workers: the Go runtime takes one for each core that it is pinned to. No
transparent compression towards the origin (`compression off`), as no other peer asks for it.
"""

from __future__ import annotations

from .. import programs
from ..process import LOOPBACK, Launch
from .peer import POOL, ROUTES, TLS, WORKERS, Peer, Site, no_program, program_version

CONFIG = """\
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
(origin) {{
    reverse_proxy {origin} {{
        transport http {{
            versions 1.1
            compression off
            keepalive_idle_conns {pool}
            keepalive_idle_conns_per_host {pool}
        }}
    }}
}}
{scheme}://:{port} {{
    bind {host}
    {tls}
{routes}
}}
"""


def launch(site: Site) -> Launch:
    made = site.certificate
    routes = [f"    handle {prefix}* {{\n        import origin\n    }}" for prefix in site.prefixes()]
    config = CONFIG.format(
        origin=site.origin,
        pool=POOL,
        scheme="https" if made else "http",
        host=LOOPBACK,
        port=site.port,
        tls=f"tls {made.cert} {made.key}" if made else "",
        routes="\n".join(routes) or "    import origin",
    )
    path = site.write("Caddyfile", config)
    home = {"HOME": str(site.folder), "XDG_DATA_HOME": str(site.folder), "XDG_CONFIG_HOME": str(site.folder)}
    return Launch([programs.path("caddy"), "run", "--config", path, "--adapter", "caddyfile"], home)


PEER = Peer(
    name="caddy",
    title="Caddy",
    settings="no access log, admin off, keep-alive to the origin with idle connections for all in flight",
    missing=no_program("caddy", "caddy"),
    version=program_version("caddy", "version"),
    launch=launch,
    features=frozenset({TLS, WORKERS, ROUTES}),
)
