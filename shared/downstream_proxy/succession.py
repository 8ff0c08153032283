"""From one configuration to the next while requests are under way.

What it is for: closing a configuration that a reload has replaced, once the last request that began with it
has ended.
What it must not know: where settings come from, what a request is.
"""

from __future__ import annotations

import asyncio
import gc
import logging

from .state import ProxyState

logger = logging.getLogger("downstream_proxy")

LOOK_EVERY = 0.1
"""Seconds. An earlier configuration is looked at now and then, so that no request pays for telling it."""


class Succession:
    """The earlier configurations of one Forwarder."""

    def __init__(self) -> None:
        self._retiring: dict[asyncio.Task[None], ProxyState] = {}

    def __len__(self) -> int:
        return len(self._retiring)

    def retire(self, state: ProxyState) -> None:
        """Close `state` when its last request has ended, or when `timeouts.reload` of the present
        configuration has passed."""
        task = asyncio.create_task(self._retire(state))
        self._retiring[task] = state
        task.add_done_callback(self._retired)

    async def close(self) -> None:
        """Close them all now."""
        states = list(self._retiring.values())
        for task in list(self._retiring):
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        for state in states:
            await state.close()

    async def _retire(self, state: ProxyState) -> None:
        loop = asyncio.get_running_loop()
        began, states = loop.time(), state.process.states
        await state.rest()
        while state.inflight:
            bound = states[-1].settings.timeouts.reload
            if bound is not None and loop.time() - began >= bound:
                logger.warning("ending %d requests of an earlier configuration", state.inflight)
                break
            self._share_limit(states)
            await asyncio.sleep(LOOK_EVERY)
        state.hide()
        self._share_limit(states)
        await state.close()

    def _retired(self, task: asyncio.Task[None]) -> None:
        """A configuration is full of references in circles, and the collector looks rarely (see garbage):
        without this, the memory of some twenty would wait for it. It looks at all that is open, and stops the
        loop meanwhile: 4 to 12 ms at 1,000 idle connections, 46 to 152 ms at 8,000 (two cores, both busy)."""
        del self._retiring[task]
        gc.collect()

    @staticmethod
    def _share_limit(states: list[ProxyState]) -> None:
        """`limits.max_inflight` holds for the process: what earlier requests take, new ones cannot have."""
        present = states[-1]
        taken = sum(state.inflight for state in states[:-1])
        present.max_inflight = max(0, present.settings.limits.max_inflight - taken)
