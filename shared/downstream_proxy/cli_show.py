"""`downstream-proxy check-config` and `print-config`.

What it is for: the commands' output.
What it must not know: how settings are read or rendered.
"""

from __future__ import annotations

from .preflight import preflight
from .settings_show import show
from .settings_source import Loaded


def check_config(loaded: Loaded) -> str:
    """One line of good news. Raises ConfigurationError when the settings could not be served."""
    settings = loaded.settings
    preflight(settings)
    count = len(settings.downstreams)
    return f"configuration is good: {count} downstream{'s' if count > 1 else ''}, backend {settings.backend}"


def print_config(loaded: Loaded) -> str:
    """The settings as TOML, no final newline."""
    return show(loaded.settings)
