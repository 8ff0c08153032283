"""Something that a script waits for and a test opens. It must not know more than an event loop."""

from __future__ import annotations

import asyncio


class Gate:
    """Opened by a test, awaited by a script on the origin's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()
