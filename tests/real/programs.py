"""Starts other people's programs and our backends on sockets that listen already, so that no port is lost.

It knows how to start, to await and to end; what to ask the programs is the business of the tests.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ..backends import Backend, Server

STARTS_WITHIN = 15.0
ENDS_WITHIN = 10.0


def find(name: str, package: str) -> str:
    """The path of a program; skips the test with the package to install when it is absent."""
    # nginx lies in /usr/sbin, which the PATH of a plain user may lack.
    path = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is absent (Debian: apt-get install {package})")
    return path


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    listener: socket.socket,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Runs a server on `listener`, an inherited socket; gives its URL once it answers, ends it afterwards.

    Both of its outputs go to `log`. Raises RuntimeError with the log's end when it does not answer in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            env=os.environ | dict(environment or {}),
        )
    try:
        port = listener.getsockname()[1]
        _await_answer(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to one that does not listen."""
    process.terminate()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_answer(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("HEAD", "/")
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
    raise RuntimeError(f"it does not answer (exit code {process.poll()})\n{log.read_text()[-2000:]}")


def proxy(backend: Backend, downstream: str, directory: Path, *flags: str) -> Server:
    """The backend in front of `downstream`, started as a user would; kept by `backend`, which ends it."""
    key = " ".join(["--downstream", downstream, *flags])
    if key in backend.servers:
        return backend.servers[key]
    if backend.module is None:
        pytest.skip("needs a proxy that the suite can start")
    log = directory / f"{backend.name}-{time.monotonic_ns()}.txt"
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, log.open("wb") as errors:
        address = listener.getsockname()[:2]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                backend.module,
                "--fd",
                str(listener.fileno()),
                "--downstream",
                downstream,
                *flags,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[listener.fileno()],
        )
    backend.servers[key] = Server(address, process, log)
    _await_answer(address[1], process, log)
    return backend.servers[key]


def url_of(server: Server) -> str:
    """The server's URL without a final slash."""
    return f"http://{server.address[0]}:{server.address[1]}"
