"""Real systemd, or what it does: inherited sockets, and a datagram socket that hears how the service is."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..backends import Backend
from ..wire import Client

WITHIN = 15.0

# What systemd does between fork and exec: the descriptor becomes number 3, and the variables say whose it is.
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Service:
    """A proxy as a unit's process, and the manager's ear."""

    def __init__(self, directory: Path) -> None:
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(directory / "notify"))
        self.ear.settimeout(WITHIN)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, backend: Backend, *flags: str, **environment: str) -> None:
        fd = self.listener.fileno()
        command = [sys.executable, "-m", str(backend.module), "--downstream", "http://127.0.0.1:1", *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ACTIVATED, str(fd), *command],
                env=os.environ | {"NOTIFY_SOCKET": str(self.ear.getsockname()), **environment},
                pass_fds=[fd],
                stderr=log,
            )

    def hear(self) -> dict[str, str]:
        """The next message but for the watchdog's."""
        while True:
            message = dict(line.split("=", 1) for line in self.ear.recv(4096).decode().splitlines())
            if message != {"WATCHDOG": "1"}:
                return message

    def healthy(self) -> bool:
        with Client(self.address) as client:
            client.send(b"GET /-/healthy HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
            return client.read_response().status == 200

    def close(self) -> None:
        self.ear.close()
        self.listener.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_manager_hears_of_readiness_reloads_and_the_end(
    backend: Backend, service: Service, workers: str, tmp_path: Path
) -> None:
    config = tmp_path / "proxy.toml"
    config.write_text("")
    service.start(backend, "--workers", workers, "--config", str(config))
    assert service.hear() == {"READY": "1", "STATUS": "serving"}
    assert service.healthy()
    assert service.process is not None
    for text, status in (("x", r"serving; the last reload failed: .*proxy\.toml:1: .*"), ("", "serving")):
        config.write_text(text)
        before = time.monotonic()
        service.process.send_signal(signal.SIGHUP)
        reloading = service.hear()
        assert reloading["RELOADING"] == "1"
        assert before <= int(reloading["MONOTONIC_USEC"]) / 1e6 + 1e-3 <= time.monotonic() + 1e-3
        ready = service.hear()
        assert ready["READY"] == "1"
        assert re.fullmatch(status, ready["STATUS"])
    service.process.send_signal(signal.SIGTERM)
    stopping = service.hear()
    assert stopping["STOPPING"] == "1"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) >= 30e6, "as long as requests in flight may take"
    assert service.process.wait(WITHIN) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_watchdog_is_fed_twice_in_its_time(backend: Backend, service: Service, workers: str) -> None:
    service.start(backend, "--workers", workers, WATCHDOG_USEC="1000000")
    times: list[float] = []
    while len(times) < 4:
        if service.ear.recv(4096) == b"WATCHDOG=1":
            times.append(time.monotonic())
    assert times[-1] - times[0] < 3.0


def test_the_manager_follows_a_restart(backend: Backend, service: Service) -> None:
    service.start(backend)
    assert service.hear()["READY"] == "1"
    assert service.process is not None
    service.process.send_signal(signal.SIGUSR2)
    heard = service.hear()
    while "MAINPID" not in heard:  # the new process says READY=1 too; systemd believes the main one only
        heard = service.hear()
    pid = int(heard["MAINPID"])
    assert service.process.wait(WITHIN) == 0
    assert service.healthy()
    end = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    while "STOPPING" not in heard:
        heard = service.hear()
    assert select.select([end], [], [], WITHIN)[0]
    os.close(end)


def test_sockets_for_another_process_are_not_taken(backend: Backend, service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    service.process = subprocess.Popen(
        [sys.executable, "-m", str(backend.module), "--downstream", "http://127.0.0.1:1", "--port", port],
        env=os.environ | {"NOTIFY_SOCKET": service.ear.getsockname(), "LISTEN_PID": "1", "LISTEN_FDS": "1"},
        stderr=subprocess.DEVNULL,
    )
    assert service.hear()["READY"] == "1"
    service.address = ("127.0.0.1", int(port))
    assert service.healthy()


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
def test_systemd_itself_activates_the_proxy(backend: Backend, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("systemd-socket-activate", "-l", f"{address[0]}:{address[1]}", "--", sys.executable, "-m"),
                *(str(backend.module), "--downstream", "http://127.0.0.1:1"),
            ],
            stderr=log,
        )
    try:
        deadline = time.monotonic() + WITHIN
        while b"Listening on" not in (tmp_path / "log").read_bytes():
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.01)
        with Client(address, timeout=WITHIN) as client:  # which is what starts the proxy
            client.send(b"GET /-/healthy HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
            assert client.read_response().status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
