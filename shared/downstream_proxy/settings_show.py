"""The effective settings as a TOML file that could be used again, with the origin of each value and no secret
in it.

What it is for: `print-config`, and the admin endpoint `config`.
What it must not know: how settings are read, who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from . import __version__
from .settings import Settings
from .toml_text import key, literal

MASK = "***"
_SENSITIVE = re.compile(r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")

KeyPath = tuple[str, ...]


def show(settings: Settings) -> str:
    """The settings as TOML, no final newline."""
    lines = [f"# downstream-proxy {__version__}: effective configuration; each comment is the value's origin"]
    lines += _table(settings, (), settings)
    return "\n".join(lines)


def _table(settings: Settings, path: KeyPath, table: BaseModel | dict[str, Any]) -> Iterator[str]:
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
            rows.append((f"# {key(name)} is not set", _origin(settings, inside, table)))
        else:
            shown = literal(masked(inside, value))
            rows.append((f"{key(name)} = {shown}", _origin(settings, inside, table)))
    width = max((len(text) for text, _ in rows if len(text) < 60), default=0)
    if path and rows:
        yield ""
        yield f"[{'.'.join(key(part) for part in path)}]"
    for text, origin in rows:
        yield f"{text:<{width}}  # {origin}"
    for inside, value in below:
        yield from _table(settings, inside, value)


def _origin(settings: Settings, path: KeyPath, table: BaseModel | dict[str, Any]) -> str:
    if isinstance(table, BaseModel) and path[-1] not in table.model_fields_set:
        return settings.origins.get(path) or "default"
    nearest = (settings.origins.get(path[:end]) for end in range(len(path), 0, -1))
    return next((origin for origin in nearest if origin), "the program")


def masked(path: KeyPath, value: Any) -> Any:
    """Header values under a telling name are masked, and so are user and password in a URL; `env:` and
    `file:` references are no secrets."""
    if isinstance(value, tuple):
        return tuple(masked(path, item) for item in value)
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: masked((*path, name), item) for name, item in fields if item is not None}
    if not isinstance(value, str) or value.startswith(("env:", "file:")):
        return value
    in_rules = len(path) >= 5 and path[-3] in ("request_headers", "response_headers")
    return MASK if in_rules and _SENSITIVE.search(path[-1]) else _USERINFO.sub(f"{MASK}@", value)
