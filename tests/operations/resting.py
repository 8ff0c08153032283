"""Pauses of whatever goes on until it is told to stop. Knows nothing of what that is."""

from __future__ import annotations

import asyncio


class Resting:
    """Has an end that its pauses do not outlast."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def rest(self, seconds: float) -> bool:
        """Pauses; False when it is time to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False
