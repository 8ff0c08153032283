"""What must hold before serving and can only be found by trying: files that load, hooks that import.

What it is for: `serve` and `check-config` both ask here, so what passes the one starts in the other.
What it must not know: sockets, the command line, the backends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from .connecting import tls_context
from .rate_limits import require
from .route import load_hook
from .server_tls import server_context
from .settings import DownstreamSettings, Settings
from .settings_source import ConfigurationError, require_downstream
from .tracing import require_tracing


def preflight(settings: Settings) -> None:
    """Raise one ConfigurationError with everything that would fail at the start."""
    problems: list[str] = []
    for check in (require_downstream, server_context):
        try:
            check(settings)
        except ConfigurationError as error:
            problems += error.problems
    problems += _extras_problems(settings)
    for name, downstream in settings.downstreams.items():
        problems += (f"downstreams.{name}.{problem}" for problem in _downstream_problems(downstream))
    if problems:
        raise ConfigurationError(problems)


def _extras_problems(settings: Settings) -> Iterator[str]:
    """What is switched on and not installed."""
    try:
        if any(downstream.rate_limits for downstream in settings.downstreams.values()):
            require(settings.rate_limits)
    except ValueError as error:
        yield f"rate_limits: {error}"
    try:
        if settings.tracing:
            require_tracing()
    except ValueError as error:
        yield f"tracing: {error}"


def _downstream_problems(downstream: DownstreamSettings) -> Iterator[str]:
    try:
        tls_context(downstream)
    except OSError as error:  # ssl.SSLError is one
        reason = (getattr(error, "reason", None) or error.strerror or "not PEM").lower().replace("_", " ")
        yield f"tls: ca, cert and key cannot be loaded: {reason}; they must be PEM files, cert and key a pair"
    if downstream.transform is not None:
        # Hooks usually lie beside the configuration; last, so that nothing there shadows an installed module.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            load_hook(downstream.transform)
        except ValueError as error:
            yield f"transform: {error}"
