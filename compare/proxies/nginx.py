"""nginx as a reverse proxy.

Settings: workers as asked; access log off; HTTP/1.1 with keep-alive to the origin; X-Forwarded-For
and -Proto and the client's Host passed on. `proxy_buffering` and the buffer sizes stay at their
defaults (on; one buffer of a page for the head, eight for the body), so a body larger than the buffers
whose reader lags goes to a temporary file. TLS: the defaults for protocols and ciphers.
"""

from __future__ import annotations

from .. import programs
from ..process import LOOPBACK, Launch
from .peer import POOL, ROUTES, TLS, WORKERS, Peer, Site, no_program, program_version, user_line

CONFIG = """\
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {upgrade_map}
    upstream origin {{ server {origin}; keepalive {pool}; keepalive_requests 1000000000; }}
    server {{
        listen {host}:{port} backlog=4096{ssl};
        {certificate}
        proxy_http_version 1.1;
        {upgrade}
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
{locations}
    }}
}}
"""


def launch(site: Site) -> Launch:
    made = site.certificate
    locations = [
        f"        location {prefix} {{ proxy_pass http://origin; }}" for prefix in site.prefixes() or ["/"]
    ]
    config = CONFIG.format(
        upgrade_map="map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"
        if site.websocket
        else "",
        upgrade=(
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
            if site.websocket
            else 'proxy_set_header Connection "";'
        ),
        workers=site.workers,
        folder=site.folder,
        user=user_line(),
        origin=site.origin,
        pool=POOL,
        host=LOOPBACK,
        port=site.port,
        ssl=" ssl" if made else "",
        certificate=f"ssl_certificate {made.cert}; ssl_certificate_key {made.key};" if made else "",
        locations="\n".join(locations),
    )
    path = site.write("nginx.conf", config)
    return Launch(
        [programs.path("nginx"), "-c", path, "-p", str(site.folder), "-e", str(site.folder / "error.log")]
    )


PEER = Peer(
    name="nginx",
    title="nginx",
    settings="access log off, keep-alive to the origin, proxy_buffering on (default sizes)",
    missing=no_program("nginx", "nginx-light"),
    version=program_version("nginx", "-v"),
    launch=launch,
    features=frozenset({TLS, WORKERS, ROUTES}),
)
