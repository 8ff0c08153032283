"""`serve` as processes: started, answering, and stopped by signals, with one worker and with several."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BACKENDS = ("aiohttp", "fastapi")
DEADLINE = 20.0
Start = Callable[..., "Serving"]


class Serving:
    """A proxy on a socket that this process opened: it accepts connections before the proxy is up."""

    def __init__(self, *command: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE)
        self.port: int = self.listener.getsockname()[1]
        descriptor = self.listener.fileno()
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", *command, "--fd", str(descriptor)),
                *("--downstream", "http://127.0.0.1:1", "--timeout-graceful-shutdown", "5"),
            ],
            env=environment,
            pass_fds=[descriptor],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def healthy(self) -> bool:
        """Whether a new connection is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("GET", "/-/healthy", headers={"Connection": "close"})
            return connection.getresponse().read() == b"ok\n"
        finally:
            connection.close()

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and standard error after one signal."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, errors


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Serving] = []

    def begin(*command: str) -> Serving:
        made.append(Serving(*command))
        return made[-1]

    yield begin
    for serving in made:
        serving.listener.close()
        if serving.process.poll() is None:
            serving.process.kill()
        if serving.process.stderr is not None and not serving.process.stderr.closed:
            serving.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_run_as_a_module_serves_and_ends_with_0(
    start: Start, name: str, number: signal.Signals
) -> None:
    serving = start(f"{name}_impl")
    assert serving.healthy()
    code, errors = serving.stop(number)
    assert code == 0, errors
    assert re.search(rf"^  backend +{name}$", errors, re.MULTILINE)
    assert f"http://127.0.0.1:{serving.port}" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the workers through /proc")
@pytest.mark.parametrize("name", BACKENDS)
def test_several_workers_serve_one_socket_and_outlive_a_crash(start: Start, name: str) -> None:
    serving = start("downstream_proxy", "serve", "--backend", name, "--workers", "2", "--no-access-log")
    assert serving.healthy()
    first = serving.workers()
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    assert serving.process.stderr is not None
    for line in serving.process.stderr:
        if f"worker {first[0]} ended with code -9; starting another" in line:
            break
    # The connection waits in the shared backlog if need be: none is refused while a worker is missing.
    assert all(serving.healthy() for _ in range(10))
    code, errors = serving.stop()
    assert code == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", BACKENDS)
def test_a_taken_port_is_one_line_from_a_real_process(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", f"{name}_impl", "--port", port, "--downstream", "http://127.0.0.1:1"],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"downstream-proxy: cannot listen on 127.0.0.1:{port}: the address is in use")
