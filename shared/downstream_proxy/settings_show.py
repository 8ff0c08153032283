"""The effective settings as a TOML file that could be used again, with the origin of each value and no secret
in it.

What it is for: `print-config`, and the admin endpoint `config`.
What it must not know: how settings are read, who asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from . import __version__
from .settings import Settings

MASK = "***"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
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
            rows.append((f"# {_key(name)} is not set", _origin(settings, inside, table)))
        else:
            shown = _literal(_masked(inside, value))
            rows.append((f"{_key(name)} = {shown}", _origin(settings, inside, table)))
    width = max((len(text) for text, _ in rows if len(text) < 60), default=0)
    if path and rows:
        yield ""
        yield f"[{'.'.join(_key(part) for part in path)}]"
    for text, origin in rows:
        yield f"{text:<{width}}  # {origin}"
    for inside, value in below:
        yield from _table(settings, inside, value)


def _origin(settings: Settings, path: KeyPath, table: BaseModel | dict[str, Any]) -> str:
    if isinstance(table, BaseModel) and path[-1] not in table.model_fields_set:
        return settings.origins.get(path) or "default"
    nearest = (settings.origins.get(path[:end]) for end in range(len(path), 0, -1))
    return next((origin for origin in nearest if origin), "the program")


def _masked(path: KeyPath, value: Any) -> Any:
    """Header values under a telling name are masked, and so are user and password in a URL; `env:` and
    `file:` references are no secrets."""
    if isinstance(value, tuple):
        return tuple(_masked(path, item) for item in value)
    if not isinstance(value, str) or value.startswith(("env:", "file:")):
        return value
    in_rules = len(path) >= 5 and path[-3] in ("request_headers", "response_headers")
    return MASK if in_rules and _SENSITIVE.search(path[-1]) else _USERINFO.sub(f"{MASK}@", value)


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
