"""nginx and HAProxy before the proxy, with exactly the files that `init` writes: only where they listen is
changed, to a socket that listens already."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .programs import find, running

_AROUND = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/downstream-proxy.conf;
}}
"""


def nginx_command(directory: Path) -> list[str]:
    """nginx with `downstream-proxy.conf` of `directory` included where it belongs."""
    user = "user root root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_AROUND.format(user=user, directory=directory))
    return [find("nginx", "nginx-light"), "-c", str(directory / "nginx.conf"), "-p", str(directory)]


@contextlib.contextmanager
def nginx(text: str, directory: Path) -> Iterator[str]:
    """nginx with this file; gives its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=511) as listener:
        port = listener.getsockname()[1]
        assert text.count("listen 80;") == 1
        (directory / "downstream-proxy.conf").write_text(
            text.replace("listen 80;", f"listen 127.0.0.1:{port};")
        )
        # The NGINX variable names sockets to inherit: nginx uses it when it replaces its own binary.
        inherit = {"NGINX": f"{listener.fileno()};"}
        command = nginx_command(directory)
        with running(command, directory / "nginx.log", listener=listener, environment=inherit) as url:
            yield url


@contextlib.contextmanager
def haproxy(text: str, directory: Path) -> Iterator[str]:
    """HAProxy with this file; gives its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=511) as listener:
        assert text.count("bind :80\n") == 1
        file = directory / "haproxy.cfg"
        file.write_text(text.replace("bind :80\n", f"bind fd@{listener.fileno()}\n"))
        command = [find("haproxy", "haproxy"), "-db", "-f", str(file)]
        with running(command, directory / "haproxy.log", listener=listener) as url:
            yield url
