"""`downstream-proxy check-config` and `print-config`.

What it is for: showing the effective settings as a TOML file that could be used again, with the origin of
each value and no secret in it.
What it must not know: how settings are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from . import __version__
from .preflight import preflight
from .settings_source import Loaded

MASK = "***"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SENSITIVE = re.compile(r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE)

KeyPath = tuple[str, ...]


def check_config(loaded: Loaded) -> str:
    """One line of good news. Raises ConfigurationError when the settings could not be served."""
    settings = loaded.settings
    preflight(settings)
    count = len(settings.downstreams)
    return f"configuration is good: {count} downstream{'s' if count > 1 else ''}, backend {settings.backend}"


def print_config(loaded: Loaded) -> str:
    """The settings as TOML, no final newline."""
    lines = [f"# downstream-proxy {__version__}: effective configuration; each comment is the value's origin"]
    lines += _table(loaded, (), loaded.settings)
    return "\n".join(lines)


def _table(loaded: Loaded, path: KeyPath, table: BaseModel | dict[str, Any]) -> Iterator[str]:
    items = (
        table.items()
        if isinstance(table, dict)
        else ((name, getattr(table, name)) for name in type(table).model_fields)
    )
    below: list[tuple[KeyPath, BaseModel | dict[str, Any]]] = []
    rows: list[tuple[str, str]] = []
    for name, value in items:
        inside = (*path, name)
        if isinstance(value, BaseModel | dict):
            below.append((inside, value))
        elif value is None:
            rows.append((f"# {_key(name)} is not set", loaded.origin(inside)))
        else:
            rows.append((f"{_key(name)} = {_literal(_masked(inside, value))}", loaded.origin(inside)))
    width = max((len(text) for text, _ in rows if len(text) < 60), default=0)
    if path and rows:
        yield ""
        yield f"[{'.'.join(_key(part) for part in path)}]"
    for text, origin in rows:
        yield f"{text:<{width}}  # {origin}"
    for inside, value in below:
        yield from _table(loaded, inside, value)


def _masked(path: KeyPath, value: Any) -> Any:
    """Header values under a telling name are masked; `env:` and `file:` references are no secrets."""
    if (
        len(path) < 5
        or path[-3] not in ("request_headers", "response_headers")
        or not _SENSITIVE.search(path[-1])
    ):
        return value
    if isinstance(value, tuple):
        return tuple(_masked(path, item) for item in value)
    return value if str(value).startswith(("env:", "file:")) else MASK


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which JSON leaves as it is, and for surrogate pairs.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)
