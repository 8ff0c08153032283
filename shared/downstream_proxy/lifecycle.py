"""The life of a serving process from the first signal to the last connection. The same for both backends.

Knows no framework: it is told how to stop listening, and drains the connections that the engine knows of.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .forwarder import Forwarder

logger = logging.getLogger("downstream_proxy")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Counts the signals that ask the process to end. `first` is set by one, `second` by another."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def _received(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    @contextmanager
    def installed(self) -> Iterator[StopSignals]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._received)
        try:
            yield self
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)


async def serve_until_stopped(
    forwarder: Forwarder, signals: StopSignals, stop_listening: Callable[[], None]
) -> None:
    """Wait for SIGTERM or SIGINT, then end in order. Install `signals` before listening begins.

    Readiness fails, `timeouts.shutdown_delay` passes, listening stops, each connection ends with its present
    response, one that waits for a request within `timeouts.shutdown_idle`, and after `timeouts.shutdown`
    seconds, or at once on a second signal, what is left is given up.
    """
    await signals.first.wait()
    process, timeouts = forwarder.process, forwarder.state.settings.timeouts
    connections = process.connections
    process.draining = True
    logger.info("draining: %d connections open", len(connections))
    await _within(signals.second, timeouts.shutdown_delay)
    stop_listening()
    drain = asyncio.ensure_future(connections.drain(timeouts.shutdown, timeouts.shutdown_idle))
    second = asyncio.ensure_future(signals.second.wait())
    await asyncio.wait((drain, second), return_when=asyncio.FIRST_COMPLETED)
    if not drain.done() or not drain.result():
        logger.warning("giving up %d connections", len(connections))
        connections.abort()
    for task in (drain, second):
        task.cancel()
    await asyncio.gather(drain, second, return_exceptions=True)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
