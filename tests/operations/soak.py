"""`python -m tests.operations.soak`: every option in use at once, real origins, mixed load, and things that
happen, for minutes; at the end either nothing is unexplained, or each such thing is told.

Settings are soak_settings', clients soak_clients', events soak_events', what explains what is soak_account's.
It must not know any of these singly; it puts them together.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from downstream_proxy.settings_source import load
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..backends import OURS
from ..real.programs import end
from ..real.test_rate_limits_redis import Redis
from ..reliability.bench import run
from .__main__ import table, written
from .soak_account import Account, Timeline
from .soak_clients import Load
from .soak_events import Happenings
from .soak_origins import SECRETS, Application, Files, SoakOrigin, free_port
from .soak_proxy import Proxy, Rest, proxy
from .soak_report import COLUMNS, GROWTH_KIB, Soaked, growth, logged, told
from .soak_requests import Requests
from .soak_settings import Site, missing, settings

HOST = "127.0.0.2"
SHOWN = 5  # of the same kind
ORIGINS = 3
REST_WITHIN = 20.0
SETTLED = 240.0  # seconds from which on growth of memory is more than that of a process that is new


class Shown:
    """Progress on stderr: a bar on a terminal, a line for each event elsewhere too."""

    def __init__(self, seconds: float, name: str) -> None:
        console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=1,
            disable=not console.is_terminal,
        )
        self._began, self._name, self._seconds = time.monotonic(), name, seconds
        self._task: TaskID = self._bar.add_task(name, total=seconds)

    def __enter__(self) -> Shown:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        passed = time.monotonic() - self._began
        line = f"[{passed:.0f}/{self._seconds:.0f} s] {self._name}: {text}"
        self._bar.console.print(line, markup=False, soft_wrap=True)

    def at(self, seconds: float) -> None:
        self._bar.update(self._task, completed=seconds)


@dataclass
class Scene:
    """All that was started."""

    proxy: Proxy
    origins: list[SoakOrigin]
    redis: Redis
    application: Application
    files: Files
    site: Site


@asynccontextmanager
async def scene(backend: str, directory: Path) -> AsyncIterator[Scene]:
    """Everything there is, in the order of who needs whom; all of it is ended."""
    files, application, taken = Files(directory, HOST), Application(), set[int]()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(application.serving())
        origins = []
        for number in range(ORIGINS):
            origin = SoakOrigin(directory / f"origin-{number + 1}", files, application.port, taken)
            stack.callback(origin.kill)
            await asyncio.to_thread(origin.start)
            origins.append(origin)
        redis = await asyncio.to_thread(Redis, directory)
        stack.callback(lambda: end(redis.process))
        site = Site(
            backend,
            HOST,
            free_port(taken),
            f"127.0.0.1:{free_port(taken)}",
            tuple(origin.url for origin in origins),
            tuple(origin.tls_url for origin in origins),
            redis.socket,
            files.pems,
        )
        serving = await stack.enter_async_context(proxy(site, application.port, directory))
        yield Scene(serving, origins, redis, application, files, site)


def every_option(site: Site, directory: Path) -> list[str]:
    """What is wrong with the claim that the file has every option; reads it as the proxy does."""
    config = directory / "claim.toml"
    config.write_text(settings(site))
    os.environ.setdefault("SOAK_SECRET", SECRETS[0])
    return missing(load(config=str(config)).settings)


def contexts(files: Files) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS towards the proxy, without and with a client certificate."""
    made = []
    for certified in (False, True):
        context = ssl.create_default_context(cafile=str(files.pems / "ca.pem"))
        if certified:
            context.load_cert_chain(files.pems / "client.pem", files.pems / "client.key")
        made.append(context)
    return made[0], made[1]


async def soak(backend: str, directory: Path, seconds: float, shown: Shown) -> Soaked:
    """One run, judged: `problems` of what it gives are empty when all is well."""
    async with scene(backend, directory) as all_of_it:
        found = every_option(all_of_it.site, directory)
        assert not found, "\n".join(found)
        account = Account(Timeline())
        result = Soaked(backend, seconds, account)
        ports = frozenset(b"%d" % origin.port for origin in all_of_it.origins)
        requests = Requests(all_of_it.files, ports)
        traffic = Load(all_of_it.proxy.address, account, requests, contexts(all_of_it.files))
        rest = Rest(all_of_it.proxy.descriptors())
        await _under_load(all_of_it, traffic, result, shown)
        shown.say("the load has ended; waiting for rest")
        if not await rest.reached(all_of_it.proxy, REST_WITHIN):
            result.problems.append(f"not at rest {REST_WITHIN:.0f} s behind the load: {rest.left}")
    _judge(all_of_it, traffic, result)
    return result


async def _under_load(all_of_it: Scene, traffic: Load, result: Soaked, shown: Shown) -> None:
    happenings = Happenings(
        all_of_it.proxy,
        all_of_it.origins,
        all_of_it.redis,
        result.account,
        lambda n: settings(all_of_it.site, memory=n % 3 == 2, generation=n),
        result.seconds,
        shown.say,
    )
    began = time.monotonic()
    async with traffic.flowing(), happenings.happening():
        while (passed := time.monotonic() - began) < result.seconds:
            result.rss.append(all_of_it.proxy.rss())
            shown.at(passed)
            result.account.timeline.pulses.append((began + passed, await all_of_it.proxy.pulse()))
            await asyncio.sleep(min(1.0, result.seconds / 60))


def _judge(all_of_it: Scene, traffic: Load, result: Soaked) -> None:
    """Behind the end of the proxy: what its log holds is all there will be."""
    account, log = result.account, all_of_it.proxy.server.log()
    result.growth = growth(result.rss)
    result.spans = all_of_it.application.spans
    result.doubled = sum(times > 1 for times in all_of_it.application.posted.values())
    problems = result.problems
    problems += [all_of_it.proxy.fault] if all_of_it.proxy.fault else []
    access_log = all_of_it.proxy.access_log
    for (kind, seen), sights in account.unexplained().items():
        problems.append(f"{len(sights)} x {kind}: {seen}")
        problems += [told(sight, account.timeline, log, access_log) for sight in sights[:SHOWN]]
    problems += [f"in the log: {line}" for line in logged(log, account.timeline)]
    if result.seconds >= SETTLED and result.growth > GROWTH_KIB:
        problems.append(f"memory grew by {result.growth} KiB: {result.rss}")
    if result.doubled:
        problems.append(f"{result.doubled} POSTs came twice")
    if not result.spans:
        problems.append("no span came")
    rows = account.rows()
    problems += [f"{kind}: never answered" for kind, row in rows.items() if not row.right + row.refused]
    problems += [f"limited: {what}" for what in ("right", "refused") if not getattr(rows["limited"], what)]


def one(backend: str, seconds: float) -> Soaked:
    """A run in a folder of its own."""
    with tempfile.TemporaryDirectory() as directory, Shown(seconds, backend) as shown:
        return run(soak(backend, Path(directory), seconds, shown))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.operations.soak", description=__doc__)
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the figures into FILE")
    parser.add_argument("--minutes", type=float, default=10.0, help="of load, for each backend (default: 10)")
    parser.add_argument("--backend", action="append", choices=sorted(OURS), help="default: all")
    options = parser.parse_args()
    runs = [one(backend, options.minutes * 60) for backend in options.backend or list(OURS)]
    figures = table(COLUMNS, [row for result in runs for row in result.rows()])
    figures += "\n" + "\n".join(result.events() + "  " for result in runs)
    print(figures, flush=True)
    for result in runs:
        for (kind, seen, why), times in result.account.why().most_common():
            print(f"explained, {result.backend}: {times} x {kind}: {seen} ({why})")
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        place = f"Python {platform.python_version()}, {platform.system()}, 2 workers."
        options.write.write_text(written(text, "soak", f"{figures}\n\n{place}\n"), encoding="utf-8")
    problems = [f"{result.backend}: {problem}" for result in runs for problem in result.problems]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} unexplained", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
