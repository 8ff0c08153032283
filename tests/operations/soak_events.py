"""What happens to the soak's proxy under load: origins that die and come back, reloads, a restart, a Redis
that is away for a moment, and bursts of wrk.

It must not know what clients see of it; each event goes into the timeline.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..real.programs import end
from ..real.test_rate_limits_redis import Redis
from .resting import Resting
from .soak_account import Account, Timeline
from .soak_origins import SoakOrigin
from .soak_proxy import Proxy

SAID = Callable[[str], None]
BROKEN = 'workers = "many"\n'


@dataclass(frozen=True)
class Pace:
    """How often, in seconds; the restart and the Redis outage are at these shares of the whole."""

    kills: tuple[float, float]
    down: tuple[float, float]
    reloads: tuple[float, float]
    wrk: tuple[float, float]
    burst: int
    restart: float = 0.15
    redis: float = 0.6

    @classmethod
    def of(cls, seconds: float) -> Pace:
        """The full one, or all of it in a short time."""
        if seconds >= 240:
            return cls((20, 40), (3, 8), (15, 30), (5, 15), 5)
        return cls((2.5, 4), (1, 2), (2, 4), (1, 3), 2)


class Happenings(Resting):
    """All of them, each on its own."""

    def __init__(
        self,
        proxy: Proxy,
        origins: list[SoakOrigin],
        redis: Redis,
        account: Account,
        settings: Callable[[int], str],
        seconds: float,
        say: SAID,
    ) -> None:
        super().__init__()
        self.proxy = proxy
        self.origins = origins
        self.redis = redis
        self.account = account
        self.timeline: Timeline = account.timeline
        self.settings = settings
        self.seconds = seconds
        self.pace = Pace.of(seconds)
        self.say = say
        self._random = random.Random(5)
        self._signalling = asyncio.Lock()

    @asynccontextmanager
    async def happening(self) -> AsyncIterator[None]:
        """All of them going on; behind it everything that was down is up again."""
        async with asyncio.TaskGroup() as group:
            for work in (self._kills, self._reloads, self._restart, self._outage, self._hammer):
                group.create_task(work())
            try:
                yield
            finally:
                self.stop()

    async def _kills(self) -> None:
        number = 0
        while await self.rest(self._random.uniform(*self.pace.kills)):
            name = f"origin {number % len(self.origins) + 1}"
            origin = self.origins[number % len(self.origins)]
            with self.timeline.during("down", name):
                with self.timeline.during("kill", name):
                    await asyncio.to_thread(origin.kill)
                await self.rest(self._random.uniform(*self.pace.down))
                await asyncio.to_thread(origin.start)
            self.say(f"{name} was killed and is back")
            number += 1

    async def _reloads(self) -> None:
        """Each third file is broken; of the others each second counts rate limits in memory."""
        number = 0
        while await self.rest(self._random.uniform(*self.pace.reloads)):
            number += 1
            async with self._signalling:
                if number % 3:
                    with self.timeline.during("reload", f"generation {number}"):
                        await self.proxy.reload(self.settings(number))
                else:
                    with self.timeline.during("broken file", f"generation {number}"):
                        await self.proxy.reload(BROKEN, "the configuration stays as it is: ")
            self.say(f"reloaded: {'a broken file, refused' if number % 3 == 0 else 'a good file'}")

    async def _restart(self) -> None:
        """SIGUSR2, in the first third, so that memory is compared within one process."""
        if not await self.rest(self.pace.restart * self.seconds):
            return
        async with self._signalling:
            with self.timeline.during("restart", "SIGUSR2"):
                self.proxy.server.configure(self.settings(0))
                await self.proxy.restart()
                await self.proxy.all_but_one_ended()
        self.say("restarted with SIGUSR2")

    async def _outage(self) -> None:
        if not await self.rest(self.pace.redis * self.seconds):
            return
        async with self._signalling:
            await self.proxy.reload(self.settings(0))  # counted in Redis, whatever was before
        with self.timeline.during("redis", "Redis is restarted"):
            await asyncio.to_thread(end, self.redis.process)
            await self.rest(1.0)
            await asyncio.to_thread(self.redis.start)
        self.say("Redis was restarted")

    async def _hammer(self) -> None:
        """wrk without pauses for some seconds, on kept and on new connections in turns."""
        program, number = shutil.which("wrk"), 0
        assert program is not None, "wrk is not installed"
        while await self.rest(self._random.uniform(*self.pace.wrk)):
            kind, connections, fields = (
                ("wrk, kept connections", 8, []),
                ("wrk, new connections", 2, ["-H", "Connection: close"]),
            )[number % 2]
            number += 1
            command = [
                program,
                "-t1",
                f"-c{connections}",
                f"-d{self.pace.burst}s",
                "--timeout",
                "15s",
                *fields,
            ]
            process = await asyncio.create_subprocess_exec(
                *command, f"https://{self.proxy.address[0]}:{self.proxy.address[1]}/get", stdout=-1
            )
            said = (await process.communicate())[0].decode()
            self._count(kind, said)

    def _count(self, kind: str, said: str) -> None:
        """wrk prints a line on errors only when there is something to report."""
        requests = re.search(r"(\d+) requests in", said)
        assert requests is not None, said
        bad = re.findall(r"(connect|read|write|timeout) ([1-9]\d*)|(Non-2xx or 3xx responses): (\d+)", said)
        statuses = 0
        for error, times, other, others in bad:
            statuses += int(others or 0)
            for _ in range(int(times or others)):
                self.account.see(kind, "", error or other)
        self.account.right[kind] += int(requests[1]) - statuses
