"""Rate limits counted in a real Redis: two proxies share one count, an outage does what the settings say."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..backends import Backend, Server
from ..origin import Origin
from .programs import STARTS_WITHIN, end, find

SETTINGS = """
[rate_limits]
storage = "redis+unix://{socket}"
outage = "{outage}"
timeout = 0.5
[downstreams.api]
url = "http://$ORIGIN"
[[downstreams.api.rate_limits]]
limits = "3/hour"
key = "header:X-API-Key"
window = "{window}"
"""


BOTH_WINDOWS = """
[rate_limits]
storage = "redis+unix://{socket}"
[downstreams.api]
url = "http://$ORIGIN"
rate_limits = [
    {{ limits = "3/hour", window = "moving" }},
    {{ limits = "3/hour", window = "fixed", key = "header:X-Tenant" }},
]
"""

Start = Callable[..., list[Server]]


class Redis:
    """A redis-server of Debian's on a Unix socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._command = [
            find("redis-server", "redis-server"),
            "--port",
            "0",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self._command += ["--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        self._log = folder / "redis.log"
        self.start()

    def start(self) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTS_WITHIN
        while "eady to accept connections" not in self._log.read_text():
            assert time.monotonic() < deadline, self._log.read_text()[-2000:]
            assert self.process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.01)

    def contents(self) -> str:
        tool = find("redis-cli", "redis-tools")
        return subprocess.run(
            [tool, "-s", str(self.socket), "keys", "*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.process.send_signal(signal.SIGCONT)
    end(server.process)


@pytest.fixture
def proxies(backend: Backend, origin: Origin, redis: Redis, tmp_path: Path) -> Iterator[Start]:
    """Call it to start proxies with the same settings and the same Redis."""
    servers: list[Server] = []

    def begin(number: int, outage: str, window: str = "moving") -> list[Server]:
        text = SETTINGS.format(socket=redis.socket, outage=outage, window=window)
        servers.extend(backend.start(text, origin, tmp_path) for _ in range(number))
        return servers

    yield begin
    for server in servers:
        server.stop()


def ask(server: Server, path: str = "/x", key: str = "s3cret") -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"X-API-Key": key, "Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}


def metric(server: Server, name: str) -> float:
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/-/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


@pytest.mark.parametrize("window", ["moving", "fixed"])
def test_two_proxies_share_one_count(proxies: Start, redis: Redis, window: str) -> None:
    one, other = proxies(2, "open", window)
    assert [ask(server)[0] for server in (one, other, one)] == [200, 200, 200]
    status, headers = ask(other)
    assert status == 429
    assert 0 < int(headers["retry-after"]) <= 3600
    assert "r=0;t=" in headers["ratelimit"]
    assert "s3cret" not in redis.contents()
    assert "downstream-proxy" in redis.contents()


def test_rules_with_different_windows_count_apart(
    backend: Backend, origin: Origin, redis: Redis, tmp_path: Path
) -> None:
    server = backend.start(BOTH_WINDOWS.format(socket=redis.socket), origin, tmp_path)
    try:
        assert [ask(server)[0] for _ in range(4)] == [200, 200, 200, 429]
        assert metric(server, "downstream_proxy_rate_limit_storage_up") == 1
    finally:
        server.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["gone", "hanging"])
@pytest.mark.parametrize(("outage", "status"), [("open", 200), ("closed", 503)])
def test_outage_opens_or_closes_as_configured_and_is_seen(
    proxies: Start, redis: Redis, outage: str, status: int, how: signal.Signals
) -> None:
    (one,) = proxies(1, outage)
    assert ask(one)[0] == 200
    assert metric(one, "downstream_proxy_rate_limit_storage_up") == 1
    redis.process.send_signal(how)
    if how is signal.SIGKILL:
        redis.process.wait()
    began = time.monotonic()
    answers = [ask(one) for _ in range(20)]
    # One request finds out, within the time-out; the others of that second do not ask.
    assert time.monotonic() - began < 10 * 0.5
    assert {code for code, _ in answers} == {status}
    assert ("retry-after" in answers[0][1]) == (status == 503)
    assert metric(one, "downstream_proxy_rate_limit_storage_up") == 0
    assert metric(one, "downstream_proxy_rate_limit_unchecked_total") >= 20
    assert one.log().count("rate limits cannot be counted") == 1
    if how is signal.SIGKILL:
        redis.start()
    else:
        redis.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 10
    while metric(one, "downstream_proxy_rate_limit_storage_up") == 0:
        assert time.monotonic() < deadline
        ask(one, key="probe")
    assert one.log().count("rate limits are counted again") == 1
