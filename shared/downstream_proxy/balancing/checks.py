"""Active health checks: each address is asked for a path again and again, on the same settings as requests.

Knows how to ask and what a good answer is; what follows from it is the roster's business. A check takes no
place of `pool.max_connections`: a full downstream is not an ill one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from ..downstream import Downstream
from ..errors import ErrorKind, ProxyError
from ..message import HeaderPairs, OutgoingRequest
from ..settings_balancing import Health, statuses

logger = logging.getLogger("downstream_proxy")

_MOST_CONTENT = 2**20
"""Bytes of an answer read at most; what is longer passes by its status, and costs its connection."""


class HealthChecks:
    """The running checks of one downstream's addresses.

    targets: for each address its Downstream, its authority and what to tell: why a check failed, or None.
    base: path of the URLs, put before `settings.path`.
    """

    def __init__(
        self,
        settings: Health,
        base: bytes,
        targets: Sequence[tuple[Downstream, bytes, Callable[[str | None], None]]],
    ) -> None:
        assert settings.path is not None
        self._settings = settings
        self._statuses = statuses(settings.status)
        self._target = base + settings.path.encode()
        self._targets = targets
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Within the loop that serves. The first check of each address begins now."""
        self._tasks = [asyncio.create_task(self._run(*target)) for target in self._targets]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _run(
        self, downstream: Downstream, authority: bytes, tell: Callable[[str | None], None]
    ) -> None:
        while True:
            try:
                tell(await self.check(downstream, authority))
            except Exception:
                # The checks must outlive whatever a check may meet.
                logger.exception("a fault of a health check")
            # Many proxies and many workers must not check in step.
            await asyncio.sleep(self._settings.interval * random.uniform(0.8, 1.2))

    async def check(self, downstream: Downstream, authority: bytes) -> str | None:
        """Ask once; why it failed, or None."""
        headers: HeaderPairs = [
            (b"Host", authority),
            (b"User-Agent", b"downstream-proxy health check"),
            (b"Accept", b"*/*"),
        ]
        request = OutgoingRequest(b"GET", self._target, headers)
        try:
            async with asyncio.timeout(self._settings.timeout):
                while True:
                    try:
                        status = await _ask(downstream, request)
                        break
                    except ProxyError as error:
                        # An idle connection that was closed: each such try uses one up.
                        if error.kind is not ErrorKind.STALE_CONNECTION:
                            raise
        except TimeoutError:
            return "no answer in time"
        except ProxyError as error:
            return error.kind.value
        return None if status in self._statuses else f"status {status}"


async def _ask(downstream: Downstream, request: OutgoingRequest) -> int:
    response = await downstream.send(request, _nothing)
    try:
        size = 0
        while size < _MOST_CONTENT and (data := await response.body.readany()):
            size += len(data)
    finally:
        # Nothing is left to give up when all of it was read.
        response.abort()
    return response.status


def _nothing() -> None:
    """A check holds no place."""
