"""What a serving process is told from outside, and what it tells: one object between command line and life.

What it is for: new settings when they are asked for, and the words "ready", "reloaded", "stopping". The
defaults here suit whoever calls `serve(settings, sockets)` in a program of his own: a reload reads the same
settings' files again, and nobody listens.
What it must not know: event loops, signals, which backend serves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from .handover import Successor
from .metrics_shared import WorkerMetrics
from .preflight import preflight
from .reloads import Reloads
from .settings import Settings
from .settings_source import ConfigurationError

logger = logging.getLogger("downstream_proxy")

FIXED = ("host", "port", "uds", "fd", "backlog", "backend", "workers")
"""What a running process cannot change; a new process can."""


class Runtime:
    """The life of one process, as its surroundings see it.

    settings: those in use. watchdog: seconds within which `alive` has to be said; None for never.
    supervised: a supervisor sees to successors. worker: the metrics of this one of several, None when alone.
    """

    watchdog: float | None = None
    supervised = False
    worker: WorkerMetrics | None = None

    def __init__(self, settings: Settings, load: Callable[[], Settings] | None = None) -> None:
        self.settings = settings
        self.reloads = Reloads()
        self._load = load or (lambda: settings)

    def load(self) -> Settings:
        """The settings as their sources are now, those that cannot change as they were.

        Raises ConfigurationError when they cannot be served. Reads files: not for the event loop's thread.
        """
        loaded = self._load()
        preflight(loaded)
        settings, kept = keep_fixed(self.settings, loaded)
        if kept:
            logger.warning("a reload does not change %s; restart for that", ", ".join(kept))
        return settings

    def ready(self) -> None:
        """Serving, at the start and again after each reload."""

    def reloading(self) -> None:
        """A reload has begun."""

    def reloaded(self, settings: Settings) -> None:
        """It has come about."""
        self.settings = settings
        self.reloads.success()
        logger.info("reloaded the configuration")

    def refused(self, error: ConfigurationError) -> None:
        """It has not; everything is as it was."""
        self.reloads.failure(error.problems)
        for problem in error.problems:
            logger.error("the configuration stays as it is: %s", problem)

    def stopping(self) -> None:
        """The end has begun."""

    def alive(self) -> None:
        """The event loop turns."""

    def restart(self) -> Successor | None:
        """Start a process to take over; None, and a line in the log, when that cannot be."""
        logger.warning("SIGUSR2 is for `downstream-proxy serve`")
        return None

    def succeeded(self, successor: Successor) -> None:
        """It serves; this process ends."""

    def end_within(self) -> float:
        """Seconds that an orderly end may take."""
        timeouts = self.settings.timeouts
        return timeouts.shutdown_delay + timeouts.shutdown + 5.0


def keep_fixed(running: Settings, loaded: Settings) -> tuple[Settings, list[str]]:
    """`loaded` with what cannot change as it is `running`, and the names of what would have changed."""
    fixed = [name for name in FIXED if getattr(running, name) != getattr(loaded, name)]
    kept = {name: getattr(running, name) for name in fixed}
    if bool(running.ssl_certfile) != bool(loaded.ssl_certfile):
        fixed.append("TLS on or off (ssl_certfile)")
        kept |= {name: getattr(running, name) for name in TLS}
    if running.admin.listen != loaded.admin.listen:
        fixed.append("admin.listen")
        kept["admin"] = loaded.admin.model_copy(update={"listen": running.admin.listen})
    return loaded.model_copy(update=kept) if kept else loaded, fixed


TLS = ("ssl_certfile", "ssl_keyfile", "ssl_min_version", "ssl_client_ca", "ssl_client_auth")
