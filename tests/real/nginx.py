"""Configurations for Debian's nginx: as a file server behind us, and as a front before us."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .programs import find, running

_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type application/octet-stream;
    types {{ text/plain txt; text/html html; application/json json; image/svg+xml svg; }}
    sendfile on;
    {http}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        {server}
    }}
}}
"""

# Without gzip_proxied nginx does not compress for a request that carries Via.
_FILES_HTTP = """
    gzip on;
    gzip_proxied any;
    gzip_min_length 256;
    gzip_types text/plain application/json;
"""

_FRONT_HTTP = """
    map $http_upgrade $connection_to_proxy {{ default upgrade; '' ''; }}
    upstream proxy_under_test {{ server {authority}; keepalive 16; }}
"""

_FRONT_SERVER = """
        location / {
            proxy_pass http://proxy_under_test;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_to_proxy;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_buffering off;
            proxy_request_buffering off;
        }
"""


@contextlib.contextmanager
def _nginx(directory: Path, http: str, server: str) -> Iterator[str]:
    program = find("nginx", "nginx-light")
    with socket.create_server(("127.0.0.1", 0), backlog=511) as listener:
        configuration = directory / "nginx.conf"
        port = listener.getsockname()[1]
        # Without `user` the workers of a root nginx are nobody, who may not read a folder of the tests.
        configuration.write_text(
            _CONFIGURATION.format(
                user="user root root;" if os.geteuid() == 0 else "",
                directory=directory,
                port=port,
                http=http,
                server=server,
            )
        )
        # The NGINX variable names sockets to inherit: nginx uses it when it replaces its own binary.
        inherit = {"NGINX": f"{listener.fileno()};"}
        command = [program, "-c", str(configuration), "-p", str(directory)]
        with running(command, directory / "nginx.log", listener=listener, environment=inherit) as url:
            yield url


@contextlib.contextmanager
def file_server(site: Path, directory: Path) -> Iterator[str]:
    """nginx with the files of `site`; gives its URL."""
    with _nginx(directory, _FILES_HTTP, f"root {site};") as url:
        yield url


@contextlib.contextmanager
def front(authority: str, directory: Path) -> Iterator[str]:
    """nginx before the server at `authority` (host:port), with a pool of kept connections; gives its URL."""
    with _nginx(directory, _FRONT_HTTP.format(authority=authority), _FRONT_SERVER) as url:
        yield url
