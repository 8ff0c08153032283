"""The life of a serving process: reloads, a successor, and from the first stop signal to the last connection.

The same for both backends. Knows no framework: it is told how to stop listening, and drains the connections
that the engine knows of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .forwarder import Forwarder
from .runtime import Runtime
from .server_tls import ListenerTls, server_context
from .settings_source import ConfigurationError
from .signals import Signals

logger = logging.getLogger("downstream_proxy")

SUCCESSOR_SECONDS = 60.0
ACCEPT_SECONDS = 0.05
HANDSHAKE_SECONDS = 0.5


class Life:
    """One serving process. Make it when everything listens; `signals` were installed before that.

    tls: the listener's, None without. stop_listening: closes the backend's listening sockets. stop_admin:
    ends what is served at `admin.listen`, which otherwise stays to the end.
    """

    def __init__(
        self,
        forwarder: Forwarder,
        runtime: Runtime,
        signals: Signals,
        tls: ListenerTls | None,
        stop_listening: Callable[[], None],
        stop_admin: Callable[[], None],
    ) -> None:
        self._forwarder = forwarder
        self._runtime = runtime
        self._signals = signals
        self._tls = tls
        self._stop_listening = stop_listening
        self._stop_admin = stop_admin
        self._succeeded = False
        forwarder.process.reloads = runtime.reloads

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until a successor serves; then end in order."""
        orders = [asyncio.create_task(work) for work in (self._reload(), self._restart(), self._stay_alive())]
        async with self._forwarder.process.exposition.shared(self._runtime.worker):
            self._runtime.ready()
            await self._signals.first.wait()
            for task in orders:
                task.cancel()
            await asyncio.gather(*orders, return_exceptions=True)
            await self._drain()

    async def _reload(self) -> None:
        """On each SIGHUP; several that come during one reload are one more."""
        runtime = self._runtime
        while True:
            await self._signals.reload.wait()
            self._signals.reload.clear()
            runtime.reloading()
            try:
                settings = await asyncio.to_thread(runtime.load)
                context = server_context(settings)
                await self._forwarder.reload(settings)
            except ConfigurationError as error:
                runtime.refused(error)
            except Exception as error:
                logger.exception("a fault of the proxy")
                runtime.refused(ConfigurationError([f"{type(error).__name__}: {error}"]))
            else:
                if self._tls is not None and context is not None:
                    self._tls.current = context
                runtime.reloaded(settings)
            runtime.ready()

    async def _restart(self) -> None:
        """On SIGUSR2: when a successor serves, this process ends as on SIGTERM."""
        while not self._succeeded:
            await self._signals.restart.wait()
            # A worker is told when its supervisor's successor has workers that serve.
            self._succeeded = self._runtime.supervised or await self._handed_over()
            self._signals.restart.clear()
        self._signals.stop()

    async def _handed_over(self) -> bool:
        successor = await asyncio.to_thread(self._runtime.restart)
        if successor is None:
            return False
        loop = asyncio.get_running_loop()
        known = asyncio.Event()
        loop.add_reader(successor.fileno(), known.set)
        try:
            await _within(known, SUCCESSOR_SECONDS)
        finally:
            loop.remove_reader(successor.fileno())
            # Also when we are stopped meanwhile: one that serves by then goes on.
            serves = successor.serves(known.is_set())
        if serves:
            self._runtime.succeeded(successor)
        return serves

    async def _stay_alive(self) -> None:
        """Tell a watchdog, twice as often as it looks, that the event loop turns."""
        if self._runtime.watchdog is None:
            return
        while True:
            self._runtime.alive()
            await asyncio.sleep(self._runtime.watchdog / 2)

    async def _drain(self) -> None:
        """Readiness fails, `timeouts.shutdown_delay` passes, listening stops, each connection ends with its
        present response, one that waits for a request within `timeouts.shutdown_idle`, and after
        `timeouts.shutdown` seconds, or at once on a second signal, what is left is given up.

        With a successor there is no delay, and the service stays ready: the successor answers for it.
        """
        second = self._signals.second
        process, timeouts = self._forwarder.process, self._forwarder.state.settings.timeouts
        connections = process.connections
        logger.info("draining: %d connections open", len(connections))
        if self._succeeded:
            self._stop_admin()
        else:
            process.draining = True
            self._runtime.stopping()
            await _within(second, timeouts.shutdown_delay)
        self._stop_listening()
        connections.end(timeouts.shutdown_idle)
        # What the event loop has accepted already is told to us a little later, behind TLS by a handshake.
        await _within(second, min(timeouts.shutdown, HANDSHAKE_SECONDS if self._tls else ACCEPT_SECONDS))
        drain = asyncio.ensure_future(connections.ended(timeouts.shutdown))
        at_once = asyncio.ensure_future(second.wait())
        await asyncio.wait((drain, at_once), return_when=asyncio.FIRST_COMPLETED)
        if not drain.done() or not drain.result():
            logger.warning("giving up %d connections", len(connections))
            connections.abort()
        for task in (drain, at_once):
            task.cancel()
        await asyncio.gather(drain, at_once, return_exceptions=True)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
