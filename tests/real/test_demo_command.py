"""The demo command with the real backends: both ports answer alike, and nothing is left behind."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .curl import curl
from .programs import end

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _needs_our_own(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--proxy-url"):
        pytest.skip("needs a proxy that the suite can start")


@pytest.fixture
def port() -> int:
    """The first of two free ports in a row."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            number: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", number + 1)):
                return number


@contextlib.contextmanager
def demo(port: int, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-u", "-m", "downstream_proxy_demo", "--port", str(port), *flags]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            end(process)


def wait_until_said(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """Reads the demo's lines up to one with the words; fails when it ends before."""
    assert process.stdout is not None
    said = b""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    assert process.stderr is not None
    raise AssertionError(f"never said {words!r}: {said.decode()}{process.stderr.read().decode()}")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_both_backends_answer_alike_and_ctrl_c_leaves_no_child(port: int) -> None:
    with demo(port) as process:
        said = wait_until_said(process, b"cmp <(curl")
        assert f"Open http://127.0.0.1:{port}/ in a browser".encode() in said
        for target in ("/bytes/300000", "/etag/v1", "/gzip", "/status/418", "/redirect/2"):
            one, other = (curl(f"http://127.0.0.1:{number}{target}") for number in (port, port + 1))
            assert one.end_to_end() == other.end_to_end()
        children = children_of(process.pid)
        assert len(children) == 3
        # An open stream must not keep the demo from ending.
        quiet = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        quiet.request("GET", "/sse?n=100&interval=10")
        assert quiet.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        quiet.close()
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_the_demo_ends_by_itself_after_the_seconds(port: int) -> None:
    with demo(port, "--only", "aiohttp", "--seconds", "0.5") as process:
        assert b"fastapi" not in wait_until_said(process, b"/-/metrics")
        assert process.wait(20) == 0


def test_another_downstream_is_put_behind_the_backend(port: int, http_server_url: str) -> None:
    with demo(port, "--only", "fastapi", "--downstream", http_server_url) as process:
        wait_until_said(process, b"/-/metrics")
        assert curl(f"http://127.0.0.1:{port}/small.txt").body == b"a small text\n"


def test_a_downstream_that_is_no_url_gives_one_line_and_exit_code_2(port: int) -> None:
    with demo(port, "--only", "aiohttp", "--downstream", "ftp://nowhere") as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.count(b"\n") == 1
    assert b"--downstream" in said
