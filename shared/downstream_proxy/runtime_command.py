"""The Runtime of `downstream-proxy serve`: alone, as the supervisor of workers, and as one of those.

What it is for: joining what the surroundings offer (systemd, a predecessor, a successor) with what a process
says of its life.
What it must not know: event loops, how workers are kept, which backend serves.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from itertools import chain

from .handover import Listening, Predecessor, Successor
from .metrics_shared import WorkerMetrics
from .runtime import Runtime
from .settings import Settings
from .settings_source import ConfigurationError
from .systemd import Notifier, only_watches_the_first_process

logger = logging.getLogger("downstream_proxy")


class ServeRuntime(Runtime):
    """One serving process, or the supervisor of several.

    apply: told of each new configuration. listening: the sockets of the proxy, and those of `admin.listen`.
    handed_over: a successor has them.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        apply: Callable[[Settings], None],
        listening: Listening,
        predecessor: Predecessor | None,
    ) -> None:
        super().__init__(settings, load)
        self.apply = apply
        self._listening = listening
        self._predecessor = predecessor
        self._notifier = Notifier()
        self.watchdog = self._notifier.watchdog
        self.handed_over = False

    def ready(self) -> None:
        if self._predecessor is not None:
            self._predecessor.ready()
            self._predecessor = None
        problems = self.reloads.problems
        self._notifier.ready(f"serving; the last reload failed: {problems[0]}" if problems else "serving")

    def reloading(self) -> None:
        self._notifier.reloading()

    def reload(self) -> bool:
        """For a supervisor, whose workers do the rest: True when the new configuration can be served."""
        self.reloading()
        try:
            self.reloaded(self.load())
        except ConfigurationError as error:
            self.refused(error)
            self.ready()
            return False
        return True

    def reloaded(self, settings: Settings) -> None:
        self.apply(settings)
        super().reloaded(settings)

    def stopping(self) -> None:
        self._notifier.stopping(self.end_within())

    def alive(self) -> None:
        self._notifier.alive()

    def restart(self) -> Successor | None:
        if os.getpid() == 1:
            logger.error("SIGUSR2: a container ends with its first process; replace the container instead")
            return None
        if only_watches_the_first_process():
            logger.error("SIGUSR2: systemd would end the new process with this one; set Type=notify")
            return None
        try:
            successor = Successor(self._listening, self.settings)
        except OSError as error:
            logger.error("SIGUSR2: cannot start a new process: %s", error)
            return None
        logger.info("waiting for process %d to take over", successor.pid)
        return successor

    def succeeded(self, successor: Successor) -> None:
        self.handed_over = True
        self._notifier.succeeded_by(successor.pid)
        logger.info("process %d serves; this one ends", successor.pid)


class SupervisorRuntime(ServeRuntime):
    """The supervisor accepts nothing itself, so its sockets close as soon as its workers are to stop."""

    def stopping(self) -> None:
        super().stopping()
        self.close()

    def succeeded(self, successor: Successor) -> None:
        super().succeeded(successor)
        self.close()

    def close(self) -> None:
        for sock in chain(*self._listening):
            sock.close()


class WorkerRuntime(Runtime):
    """A worker. It tells its supervisor when it serves, and after each reload; the supervisor counts."""

    supervised = True

    def __init__(
        self, supervisor: ServeRuntime, say_ready: Callable[[], None], worker: WorkerMetrics
    ) -> None:
        super().__init__(supervisor.settings, supervisor.load_anew)
        self.reloads = supervisor.reloads
        self._apply = supervisor.apply
        self._say_ready = say_ready
        self.worker = worker

    def ready(self) -> None:
        self._say_ready()

    def reloaded(self, settings: Settings) -> None:
        self._apply(settings)
        self.settings = settings

    def stays(self, kept: list[str]) -> None:
        """Said once, by the supervisor."""
