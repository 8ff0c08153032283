"""The settings as a short TOML file that can be taken elsewhere.

What it is for: only what differs from the defaults, changes laid over it, and the files and variables it
leans on, so that they can be taken along. Text that is secret is no part of it: it is refused.
What it must not know: where the file goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .settings import Settings
from .settings_show import masked
from .settings_source import ConfigurationError
from .settings_types import ReadableFile
from .toml_text import document

KeyPath = tuple[str, ...]


@dataclass
class Portable:
    """toml: the file's text. files: name within `folder` -> path on this machine. variables: names of
    environment variables that hold secrets."""

    toml: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    variables: list[str] = field(default_factory=list)


def portable(settings: Settings, changes: Mapping[str, Any], folder: str | None = None) -> Portable:
    """The settings with `changes` (nested tables, None removes a key) on top.

    folder: where the files will lie over there; None when they stay where they are. Raises
    ConfigurationError, one line for each secret that stands there as text.
    """
    found, problems = Portable(), []

    def taken(path: KeyPath, value: Any, is_file: bool) -> Any:
        if isinstance(value, tuple):
            return tuple(taken(path, item, is_file) for item in value)
        if isinstance(value, BaseModel):
            return _changed(value, path, taken)
        if not isinstance(value, str):
            return value
        kind, _, rest = value.partition(":")
        if kind == "env":
            found.variables.append(rest)
        elif is_file or kind == "file":
            name = _register(Path(value if is_file else rest), found.files)
            if folder is not None:
                return f"{folder}/{name}" if is_file else f"file:{folder}/{name}"
        elif masked(path, value) != value:
            problems.append(
                f"{'.'.join(path)} holds a secret as text, which would be copied into files: "
                'write it as "env:NAME" or "file:PATH"'
            )
        return value

    table = _changed(settings, (), taken)
    if settings.downstream:
        table.pop("downstreams", None)
    if problems:
        raise ConfigurationError(problems)
    _lay(table, changes)
    found.toml = document(table)
    found.variables = sorted(set(found.variables))
    return found


def _register(path: Path, files: dict[str, Path]) -> str:
    """A name for the file that no other has."""
    path = path.absolute()
    name, number = path.name, 1
    while files.get(name, path) != path:
        number += 1
        name = f"{number}-{path.name}"
    files[name] = path
    return name


def _changed(model: BaseModel, path: KeyPath, taken: Callable[[KeyPath, Any, bool], Any]) -> dict[str, Any]:
    """What differs from the model's defaults, as nested tables."""
    table: dict[str, Any] = {}
    for name, about in type(model).model_fields.items():
        value, inside = getattr(model, name), (*path, name)
        if isinstance(value, BaseModel):
            if below := _changed(value, inside, taken):
                table[name] = below
        elif isinstance(value, dict):
            rows = {
                key: _changed(item, (*inside, key), taken)
                if isinstance(item, BaseModel)
                else taken((*inside, key), item, False)
                for key, item in value.items()
            }
            if rows:
                table[name] = rows
        elif value != about.get_default(call_default_factory=True):
            table[name] = taken(inside, value, _names_file(about))
    return table


def _names_file(about: FieldInfo) -> bool:
    return ReadableFile in (about.annotation, *get_args(about.annotation))


def _lay(table: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            table.pop(name, None)
        elif isinstance(value, Mapping):
            _lay(table.setdefault(name, {}), value)
        else:
            table[name] = value
