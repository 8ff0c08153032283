"""A server whose process may be another one before long: signalled, followed, and ended.

It must not know what traffic it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from ..backends import Backend, Server
from ..origin import Origin
from ..reliability.bench import until
from ..reliability.lab import Lab

WITHIN = 40.0


class Running:
    """What answers at one address. pid: of the process that is in charge at present."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self.server = server
        self.address = server.address
        self.pid = server.process.pid
        self._ends: list[asyncio.Task[None]] = []

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    async def reload(self, settings: str, said: str = "reloaded the configuration") -> None:
        """Changes the file and sends SIGHUP; back when the log has said so."""
        before = self.server.log().count(said)
        self.server.configure(settings)
        os.kill(self.pid, signal.SIGHUP)
        await until(lambda: self.server.log().count(said) > before, WITHIN)

    async def restart(self) -> None:
        """Sends SIGUSR2; back when the next process serves. The present one ends in its own time."""
        before, old = len(self._took_over()), self.pid
        os.kill(old, signal.SIGUSR2)
        await until(lambda: len(self._took_over()) > before, WITHIN)
        self.pid = self._took_over()[-1]
        self._ends.append(asyncio.create_task(end_of(old)))

    def _took_over(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"process (\d+) serves; this one ends", self.server.log())]

    async def all_but_one_ended(self) -> None:
        """Back when of all the processes only that in charge is left."""
        async with asyncio.timeout(WITHIN):
            await asyncio.gather(*self._ends)

    async def stop(self) -> None:
        """Ends it, and sees that it was in order."""
        with contextlib.suppress(ProcessLookupError):
            end = asyncio.create_task(end_of(self.pid))
            os.kill(self.pid, signal.SIGTERM)
            self._ends.append(end)
        await self.all_but_one_ended()
        assert self.server.wait() == 0, self.server.log()[-2000:]
        assert "Traceback" not in self.server.log(), self.server.log()[-4000:]


async def end_of(pid: int) -> None:
    """Waits for a process, whoever's child it is."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


@asynccontextmanager
async def running(backend: Backend, settings: str, lab: Lab, directory: Path) -> AsyncIterator[Running]:
    """A server with these settings in front of `lab`."""
    loop = asyncio.get_running_loop()
    # The starter needs of an origin its address only.
    server = await loop.run_in_executor(None, backend.start, settings, cast(Origin, lab), directory)
    serving = Running(server)
    try:
        yield serving
    finally:
        await serving.stop()
