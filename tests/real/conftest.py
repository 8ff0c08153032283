"""The servers behind the backends, each started once for the session and only when a test asks for it."""

from __future__ import annotations

import importlib.util
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..backends import Backend
from . import nginx
from .programs import end, proxy, running, url_of

Through = Callable[..., str]

MIB = 1024 * 1024
MODIFIED = 1577836800  # Wed, 01 Jan 2020 00:00:00 GMT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files to serve: text, binary, a name with a space, an empty one, a sub-folder."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "small.txt").write_text("a small text\n")
    (folder / "text.txt").write_text("".join(f"line {n}: the same words again\n" for n in range(2000)))
    (folder / "binary.bin").write_bytes(random.Random(1).randbytes(8 * MIB + 13))
    (folder / "a name.txt").write_text("a name with a space\n")
    (folder / "empty").write_bytes(b"")
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_text("<!doctype html><title>sub</title><p>the folder's page</p>\n")
    for path in folder.rglob("*"):
        os.utime(path, (MODIFIED, MODIFIED))
    return folder


@pytest.fixture(scope="session")
def nginx_url(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's nginx, serving the site."""
    with nginx.file_server(site, tmp_path_factory.mktemp("nginx")) as url:
        yield url


@pytest.fixture(scope="session")
def http_server_url(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Python's http.server, serving the site; HTTP/1.0, a connection for each request."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(site),
    ]
    log = (tmp_path_factory.mktemp("http-server") / "log.txt").open("wb")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        # Serving HTTP on 127.0.0.1 port 40001 (http://127.0.0.1:40001/) ...
        yield process.stdout.readline().decode().partition("(")[2].partition("/)")[0]
    finally:
        end(process)
        process.stdout.close() if process.stdout else None
        log.close()


@pytest.fixture(scope="session")
def httpbin_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """httpbin under gunicorn, with threads so that a slow request does not hold up the rest."""
    for module in ("httpbin", "gunicorn"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is absent (pip install {module})")
    folder = tmp_path_factory.mktemp("httpbin")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--threads", "8"]
        command += ["--worker-class", "gthread", "--worker-tmp-dir", str(folder), "--no-control-socket"]
        with running([*command, "httpbin:app"], folder / "log.txt", listener=listener) as url:
            yield url


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The demo's downstream in a process of its own."""
    command = [sys.executable, "-m", "downstream_proxy_demo.serve"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
    finally:
        end(process)
        process.stdout.close() if process.stdout else None


@pytest.fixture
def through(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Through:
    """Call it with a downstream's URL and get the URL of the backend in front of that; flags may follow."""
    directory = tmp_path_factory.getbasetemp()
    return lambda downstream, *flags: url_of(proxy(backend, downstream, directory, *flags))
