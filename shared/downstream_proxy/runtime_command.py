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
from typing import Any

from .agreed import AgreedSettings
from .handover import Listening, Predecessor, Successor
from .metrics_shared import WorkerMetrics
from .runtime import Runtime
from .settings import Settings
from .settings_source import ConfigurationError
from .systemd import Notifier, only_watches_the_first_process

logger = logging.getLogger("downstream_proxy")


class ServeRuntime(Runtime):
    """One serving process.

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
    """The supervisor decides about a reload, and its workers take what it has agreed to.

    It accepts nothing itself, so its sockets close as soon as its workers are to stop.
    """

    def __init__(self, *surroundings: Any) -> None:
        super().__init__(*surroundings)
        self.agreed = AgreedSettings(self.settings)

    def reload(self) -> bool:
        """True when the workers are to take the new configuration."""
        self.reloading()
        try:
            settings = self.load()
            self.agreed.put(settings)
        except ConfigurationError as error:
            self.refused(error)
        except OSError as error:
            self.refused(ConfigurationError([f"no room for the settings: {error}"]))
        else:
            self.reloaded(settings)
            return True
        self.ready()
        return False

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
        self, supervisor: SupervisorRuntime, say_ready: Callable[[], None], worker: WorkerMetrics
    ) -> None:
        super().__init__(supervisor.agreed.get())
        self.reloads = supervisor.reloads
        self._agreed = supervisor.agreed
        self._apply = supervisor.apply
        self._say_ready = say_ready
        self.worker = worker

    def load(self) -> Settings:
        return self._agreed.get()

    def ready(self) -> None:
        self._say_ready()

    def reloaded(self, settings: Settings) -> None:
        self._apply(settings)
        self.settings = settings
