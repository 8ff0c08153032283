"""The origin of the load: nginx from a config of its own, with fixed bodies and a sink for uploads.

Must not know the proxies. Paths: /1k /64k /1m /4m answer GET with so many bytes, /payload with a given file;
/r... answers like /1k (for routing tables); /late/MS/1k and so on answer after MS milliseconds; /sink
answers POST after it has read the whole body.

The sink needs care. `return 204` in nginx answers as soon as the head is there and discards
the body later, which would make every upload an early response. So the sink is a location
with `proxy_request_buffering on`: nginx reads the whole body into memory first and only then
asks a second server on a Unix socket, without the body, for the answer; its path is
relative to the folder that nginx runs in, as a long one has no room in an address. `tcp_nopush` stays off: on
loopback, where a segment holds 64 KiB, it makes a proxy's reads wait now and then for a delayed
acknowledgement (40 ms), whichever proxy it is.

nginx has one way to answer late without a module: `auth_delay`, meant to slow down the guessing of
passwords. A late location refuses everybody, the refusal waits, and becomes the answer by `error_page 401
=200`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import programs
from .certificate import Certificate
from .process import LOOPBACK, Launch

PAYLOAD = "payload"
SIZES = {"1k": 1024, "64k": 64 * 1024, "1m": 1024 * 1024, "4m": 4 * 1024 * 1024}

CONFIG = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream answer {{ server unix:answer.sock; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {tls}
        root {folder}/bodies;
        auth_basic_user_file /dev/null;
{late}
        location = /1k {{ return 200 "{small}"; }}
        location /r {{ return 200 "{small}"; }}
        location = /sink {{
            client_max_body_size 0;
            client_body_buffer_size 256k;
            proxy_request_buffering on;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
            proxy_pass http://answer;
        }}
    }}
    server {{
        listen unix:answer.sock;
        location / {{ return 200 "ok\\n"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What the origin offers beside the fixed paths: answers late by so many milliseconds, over TLS on a
    second port, with a file of the user's as /payload."""

    late_ms: tuple[int, ...] = ()
    tls_port: int = 0
    certificate: Certificate | None = None
    payload: Path | None = None


def late(path: str, milliseconds: int) -> str:
    """The path that answers like `path`, so much later."""
    return f"/late/{milliseconds}{path}" if milliseconds else path


def _late_locations(delays: Iterable[int]) -> str:
    return "\n".join(
        f"        location = {late(f'/{size}', delay)} "
        f"{{ auth_delay {delay}ms; auth_basic late; error_page 401 =200 /{size}; }}"
        for delay in delays
        for size in (*SIZES, PAYLOAD)
    )


def missing() -> str | None:
    """Why the origin cannot run, or None."""
    return programs.missing("nginx", "nginx-light", "it plays the origin")


def launch(folder: Path, port: int, service: Service | None = None) -> Launch:
    """Write the config and the bodies into `folder`."""
    service = service or Service()
    bodies = folder / "bodies"
    bodies.mkdir()
    for name, size in SIZES.items():
        (bodies / name).write_bytes(b"x" * size)
    if service.payload:
        shutil.copyfile(service.payload, bodies / PAYLOAD)
    tls = ""
    if made := service.certificate:
        tls = f"listen 127.0.0.1:{service.tls_port} ssl backlog=4096; "
        tls += f"ssl_certificate {made.cert}; ssl_certificate_key {made.key};"
    # As root nginx would change to a user who cannot read the temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    text = CONFIG.format(
        folder=folder,
        port=port,
        small="x" * SIZES["1k"],
        user=user,
        tls=tls,
        late=_late_locations(service.late_ms),
    )
    config.write_text(text)
    return Launch(
        [programs.path("nginx"), "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    )


def url(port: int) -> str:
    """The origin as a proxy names it."""
    return f"http://{LOOPBACK}:{port}"
