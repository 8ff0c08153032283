"""The proxy of the soak as its operator has it: started by `serve --config`, looked at from outside.

It must not know what traffic it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from ..backends import HOOK, POISON, Server
from ..reliability.bench import PAGE_KIB
from ..reliability.caller import CutError, get, once
from .running import Running, end_of
from .soak_origins import SECRETS
from .soak_settings import Site, settings

_ESTABLISHED, _CLOSE_WAIT = "01", "08"
STARTS_WITHIN = 30.0


class Proxy(Running):
    """One that is running, whichever process is in charge."""

    def __init__(self, server: Server, admin: tuple[str, int], collector: int, access_log: Path) -> None:
        super().__init__(server)
        self.admin = admin
        self._collector = collector
        self.access_log = access_log
        self.fault = ""  # of its end

    def processes(self) -> list[int]:
        return [self.pid, *self.workers()]

    def rss(self) -> int:
        """Resident memory of the workers together, in KiB; pages that they share count for each."""
        pages = 0
        for pid in self.workers():
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue  # one that has just ended
        return pages * PAGE_KIB

    def descriptors(self) -> Counter[str]:
        """Open descriptors of all processes by what they are, without sockets."""
        kinds: Counter[str] = Counter()
        for target in self._targets():
            kind, _, inode = target.partition(":")
            kinds[kind if inode else "file"] += 1
        del kinds["socket"]
        return kinds

    def connections(self) -> set[str]:
        """TCP connections of all processes, but for those to the collector, by inode."""
        connected = set().union(*(_connections(pid, self._collector) for pid in self.processes()))
        return connected & {target[8:-1] for target in self._targets() if target.startswith("socket:")}

    def _targets(self) -> Iterator[str]:
        for pid in self.processes():
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    yield os.readlink(f"/proc/{pid}/fd/{name}")

    async def pulse(self) -> float:
        """Seconds until it said that it is there."""
        began = time.monotonic()
        with contextlib.suppress(OSError, CutError):
            await once(self.admin, get("/-/own/healthy", "Connection: close"))
        return time.monotonic() - began

    async def gauges(self) -> dict[str, float]:
        """What has to be 0 at rest, of all workers together."""
        answer = await once(self.admin, get("/-/own/metrics", "Connection: close"))
        assert answer.status == 200, answer
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.body.decode()):
            for sample in family.samples:
                if sample.name in _GAUGES:
                    labels = ",".join(sample.labels.values())
                    found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found


_GAUGES = {f"downstream_proxy_{name}" for name in ("inflight", "connections", "pool", "address_inflight")}
"""Of which `_pool` is what is in use and what waits, by downstream."""


def _connections(pid: int, collector: int) -> set[str]:
    """Inodes of TCP connections, but for those to this port."""
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] in (_ESTABLISHED, _CLOSE_WAIT) and int(fields[2].rpartition(":")[2], 16) != collector:
            found.add(fields[9])
    return found


@dataclass
class Rest:
    """Whether it is as it was before the load; `left` is what is in the way. Health checks come and go, so of
    connections those count that stay."""

    before: Counter[str]
    left: dict[str, float] = field(default_factory=dict)
    slack: int = 2

    async def reached(self, proxy: Proxy, within: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline, connections = loop.time() + within, proxy.connections()
        while loop.time() < deadline:
            self.left = {name: value for name, value in (await proxy.gauges()).items() if value}
            for kind, number in proxy.descriptors().items():
                if number > self.before[kind] + self.slack:
                    self.left[f"descriptors: {kind}"] = number - self.before[kind]
            if stayed := connections & proxy.connections():
                self.left["connections"] = len(stayed)
            if not self.left:
                return True
            await asyncio.sleep(0.1)
        return False


def _start(config: Path, collector: int, ear: str, log: Path, access_log: Path) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DOWNSTREAM_PROXY_", "OTEL_"))}
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "no_proxy"):
        environment.pop(name, None)
    environment |= POISON | {
        "NO_PROXY": "127.0.0.1",
        "NOTIFY_SOCKET": ear,
        "SOAK_SECRET": SECRETS[0],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    with log.open("wb") as errors, access_log.open("wb") as lines:
        return subprocess.Popen(
            [sys.executable, "-m", "downstream_proxy", "serve", "--config", str(config)],
            env=environment,
            cwd=config.parent,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=errors,
        )


async def _ready(ear: socket.socket, process: subprocess.Popen[bytes]) -> bool:
    """Waits until both workers serve, which their supervisor alone knows: the first that does answers for
    both, and what is open by then is less than what is open at rest. False when the process ends instead."""
    said = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(ear, said.set)
    waits = [asyncio.create_task(wait) for wait in (said.wait(), end_of(process.pid))]
    try:
        await asyncio.wait(waits, timeout=STARTS_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(ear)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return said.is_set() and ear.recv(4096).startswith(b"READY=1")


def _ear() -> tuple[socket.socket, str]:
    """Where a service says that it is ready (sd_notify(3)), and the name of that. Closed, it keeps nobody."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind("")
    return ear, "@" + ear.getsockname()[1:].decode()


@asynccontextmanager
async def proxy(site: Site, collector: int, directory: Path) -> AsyncIterator[Proxy]:
    """One with the settings of this site; ended in order."""
    config, log, access_log = directory / "proxy.toml", directory / "stderr.txt", directory / "access.jsonl"
    config.write_text(settings(site))
    (directory / "suite_hook.py").write_text(HOOK)
    ear, name = _ear()
    process = _start(config, collector, name, log, access_log)
    host, _, port = site.admin.rpartition(":")
    admin = (host, int(port))
    server = Server((site.host, site.port), process, log, configure=lambda text: _write(config, text))
    serving = Proxy(server, admin, collector, access_log)
    try:
        with ear:
            assert await _ready(ear, process), server.log()[-4000:]
        yield serving
    finally:
        if process.poll() is None or serving.pid != process.pid:
            try:
                await serving.stop()
            except (AssertionError, TimeoutError) as error:
                serving.fault = f"the proxy did not end in order: {error!r:.3000}"


def _write(path: Path, text: str) -> None:
    path.write_text(text)
