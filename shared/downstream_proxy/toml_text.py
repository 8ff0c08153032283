"""Values as TOML. Knows TOML, and nothing of settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def document(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A table with the tables inside it; one final newline, or nothing for an empty one. None is left out."""
    return "\n".join(_sections(table, path))


def _sections(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    rows = [f"{key(name)} = {literal(value)}\n" for name, value in plain.items() if value is not None]
    head = f"[{'.'.join(key(part) for part in path)}]\n" if path and rows else ""
    if rows:
        yield head + "".join(rows)
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _sections(value, (*path, name))


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {literal(item)}" for name, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        return f"[{', '.join(literal(item) for item in value)}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which JSON leaves as it is, and for surrogate pairs.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
