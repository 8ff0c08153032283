"""Three nginx behind the proxy, wrk before it; one nginx after the other is killed and started again.

`python -m tests.operations.failover --write docs/operations.md` writes the figures between its two markers.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..backends import OURS, Backend, Server
from ..origin import Origin
from ..real.programs import find
from ..wire import Client

_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} reuseport;
        location / {{ return 200 "{port}\\n"; }}
    }}
}}
"""

_SETTINGS = """
access_log = false
[downstreams.three]
urls = {urls}
health = {{ path = "/healthy", interval = {interval} }}
balance = {{ slow_start = 1 }}
"""

_BEGIN, _END = "<!-- figures: failover -->", "<!-- end of figures -->"
_WAIT = 20.0
_BETWEEN = 1000
"""Requests answered between two events at least, so that each falls into steady load."""


class Nginx:
    """One process on a port of its own, to be killed and started again."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self._configuration = directory / "nginx.conf"
        self._configuration.write_text(_NGINX.format(directory=directory, port=self.port))
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = find("nginx", "nginx-light")
        with (self._directory / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self._configuration), "-p", str(self._directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._listens, "nginx to listen")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL: no goodbye to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass
class Outcome:
    """What one run showed. out, back: seconds from each kill to the ejection, and from each start to the
    return. failed: answers that were not 2xx, and socket errors; as wrk counts them."""

    backend: str
    interval: float
    requests: int = 0
    failed: int = 0
    retried: int = 0
    out: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    asked_again: int = 0

    def row(self) -> tuple[str, ...]:
        return (
            self.backend,
            f"{self.requests:,}",
            str(len(self.out)),
            str(self.failed),
            str(self.retried),
            f"{max(self.out) * 1000:.0f} ms",
            f"{max(self.back):.1f} s",
        )


def until(condition: Callable[[], object], what: str, seconds: float = _WAIT) -> None:
    """Asks again and again; TimeoutError says `what` did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


def judge(outcome: Outcome) -> None:
    """AssertionError when the promise is not kept."""
    assert outcome.failed == 0, outcome
    assert len(outcome.out) == len(outcome.back)
    assert max(outcome.out) <= 2 * outcome.interval, outcome
    # Two checks in a row have to pass, each up to a fifth late, and take their own time.
    assert max(outcome.back) <= 3 * outcome.interval + 1, outcome
    assert outcome.asked_again == len(outcome.back), outcome


def failover(
    backend: Backend, directory: Path, *, kills: int, interval: float, connections: int = 32
) -> Outcome:
    """Kill `kills` origins under load, one after the other, each started again before the next."""
    outcome = Outcome(backend.name, interval)
    wrk = find("wrk", "wrk")
    origins = [Nginx(directory / f"{backend.name}-origin-{number}") for number in range(3)]
    with contextlib.ExitStack() as stack:
        for origin in origins:
            stack.callback(origin.kill)
            origin.start()
        unused = Origin()
        stack.callback(unused.stop)
        urls = "[" + ", ".join(f'"{origin.url}"' for origin in origins) + "]"
        server = backend.start(_SETTINGS.format(urls=urls, interval=interval), unused, directory)
        stack.callback(server.stop)
        with _load(wrk, server, connections) as load:
            for number in range(kills):
                _kill_and_start(server, origins[number % 3], outcome)
            load.send_signal(signal.SIGINT)
            said, _ = load.communicate(timeout=30)
        _read(said.decode(), outcome)
        outcome.retried = int(_metric(server, "downstream_proxy_retries_total"))
    return outcome


@contextlib.contextmanager
def _load(wrk: str, server: Server, connections: int) -> Iterator[subprocess.Popen[bytes]]:
    url = f"http://127.0.0.1:{server.address[1]}/x"
    command = [wrk, "-t", "1", "-c", str(connections), "-d", "300s", "--timeout", "30s", url]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        stdout: IO[bytes] | None = process.stdout
        if stdout is not None:
            stdout.close()


def _kill_and_start(server: Server, origin: Nginx, outcome: Outcome) -> None:
    _some_requests(server)
    killed = datetime.datetime.now(tz=datetime.UTC)
    origin.kill()
    outcome.out.append(_logged(server, f"{origin.url} is out", killed))
    until(lambda: _is_unhealthy(server, origin), "the checks to fail as well")
    _some_requests(server)
    started = datetime.datetime.now(tz=datetime.UTC)
    origin.start()
    outcome.back.append(_logged(server, f"{origin.url} is back", started))
    _some_requests(server)
    until(lambda: _ask(server) == b"%d\n" % origin.port, f"an answer of {origin.url}")
    outcome.asked_again += 1


def _logged(server: Server, text: str, since: datetime.datetime) -> float:
    """Seconds from `since` to the first line with this text after it."""
    found: list[float] = []

    def look() -> bool:
        for line in server.log().splitlines():
            if text in line:
                at = datetime.datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone()
                seconds = (at - since).total_seconds()
                # The log cuts to milliseconds.
                if seconds > -0.001:
                    found.append(max(0.0, seconds))
        return bool(found)

    until(look, f"{text!r} in the log")
    return found[0]


def _is_unhealthy(server: Server, origin: Nginx) -> bool:
    labels = rf'[^}}]*address="{re.escape(origin.url)}"[^}}]*state="unhealthy"[^}}]*'
    return (
        re.search(rf"downstream_proxy_address_state\{{{labels}\}} 1", _get(server, b"/-/metrics").decode())
        is not None
    )


def _some_requests(server: Server) -> None:
    """Until so many more were answered."""
    goal = _answered(server) + _BETWEEN
    until(lambda: _answered(server) >= goal, f"{_BETWEEN} answers")


def _answered(server: Server) -> float:
    return _metric(server, "downstream_proxy_requests_total")


def _metric(server: Server, name: str) -> float:
    """The sum of a counter over its labels of the downstream."""
    exposition = _get(server, b"/-/metrics").decode()
    pattern = re.compile(rf'^{name}\{{[^}}]*downstream="three"[^}}]*\}} (\S+)$', re.MULTILINE)
    return sum(float(value) for value in pattern.findall(exposition))


def _ask(server: Server) -> bytes:
    return _get(server, b"/x")


def _get(server: Server, target: bytes) -> bytes:
    with Client(server.address) as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n" % target)
        return client.read_response().body


def _read(said: str, outcome: Outcome) -> None:
    """wrk prints a line on errors only when there is something to report."""
    requests = re.search(r"([0-9]+) requests in", said)
    assert requests is not None, said
    outcome.requests = int(requests[1])
    for line in re.findall(r"Socket errors: (.*)|Non-2xx or 3xx responses: (.*)", said):
        outcome.failed += sum(int(number) for number in re.findall(r"[0-9]+", " ".join(line)))


def table(outcomes: list[Outcome]) -> str:
    columns = (
        "backend",
        "GETs",
        "kills",
        "failed",
        "sent again",
        "out after, longest",
        "back after, longest",
    )
    rows = [columns, ("---",) * len(columns), *(outcome.row() for outcome in outcomes)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written(document: str, figures: str) -> str:
    """The document with the figures between the markers."""
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the document lacks {_BEGIN} ... {_END}")
    return f"{before}{begin}\n\n{figures}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.operations.failover", description=__doc__)
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the figures into FILE")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between two checks")
    parser.add_argument("--backend", action="append", choices=sorted(OURS), help="default: all")
    options = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as directory:
        for name in options.backend or list(OURS):
            outcome = failover(OURS[name](), Path(directory), kills=options.kills, interval=options.interval)
            judge(outcome)
            outcomes.append(outcome)
    if options.write:
        options.write.write_text(written(options.write.read_text(), table(outcomes)), encoding="utf-8")
    else:
        sys.stdout.write(table(outcomes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
