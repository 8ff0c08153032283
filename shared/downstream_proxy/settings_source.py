"""Where settings come from: flags over environment over TOML file over defaults; and what came from where.

What it is for: `load()`, which returns the settings with the origin of each value, or raises one
ConfigurationError that lists every mistake, each as one line with its place and, for an unknown key, the
likely one.
What it must not know: click, the meaning of any single setting.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .settings import Settings
from .settings_env import CONFIG_VARIABLE, Layer, read_environment
from .toml_lines import key_lines

KeyPath = tuple[str, ...]


class ConfigurationError(Exception):
    """The configuration cannot be used. `problems` are lines: place, key, what is wrong, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Loaded:
    """Settings and the origin of each value that is not a default, by key path: "--port", "proxy.toml:12"."""

    settings: Settings
    origins: dict[KeyPath, str]

    def origin(self, path: KeyPath) -> str:
        return self.origins.get(path) or "default"


def load(flags: Mapping[str, tuple[object, str]] | None = None, config: str | None = None) -> Loaded:
    """Settings from every source.

    `flags`: dotted key -> (value, the flag's name), as given on the command line. `config`: path of a TOML
    file; None means the one named by DOWNSTREAM_PROXY_CONFIG, if any. Raises ConfigurationError.
    """
    path = config or os.environ.get(CONFIG_VARIABLE) or None
    merged = read_toml(path) if path else Layer()
    _lay_over(merged, read_environment())
    given = Layer()
    for key, (value, name) in (flags or {}).items():
        given.put(tuple(key.split(".")), value, name)
    _lay_over(merged, given)
    try:
        settings = Settings(**merged.values)
    except ValidationError as error:
        raise ConfigurationError(_lines(error, merged.origins)) from None
    if settings.downstream and ("downstream",) in merged.origins:
        merged.origins.setdefault(("downstreams", "default", "url"), merged.origins[("downstream",)])
    return Loaded(settings.with_origins(merged.origins), merged.origins)


def require_downstream(settings: Settings) -> None:
    """Raise ConfigurationError when there is nothing to forward to."""
    if not settings.downstreams:
        raise ConfigurationError(
            [
                "no downstream: give --downstream http://HOST:PORT, "
                "or a table [downstreams.NAME] in the file of --config"
            ]
        )


def read_toml(path: str) -> Layer:
    """The layer of a TOML file, each key with its line. Raises ConfigurationError."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError([f"{path}: cannot read the configuration: {reason}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            [f"{path}: not UTF-8 text (byte {error.start}); TOML files are UTF-8"]
        ) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        message = (
            str(error)[: where.start()] if where else re.sub(r" \(at end of document\)$", "", str(error))
        )
        line = int(where[1]) if where else text.count("\n") + 1
        raise ConfigurationError([f"{path}:{line}: not valid TOML: {_sentence(message)}"]) from None
    layer = Layer()
    for key, value in values.items():
        layer.put((key,), value, path)
    for key_path, line in key_lines(text).items():
        layer.origins[key_path] = f"{path}:{line}"
    return layer


def _lay_over(below: Layer, above: Layer) -> None:
    """Put `above` on top of `below`: tables merge, other values replace."""
    for path, value in _leaves(above.values):
        below.put(path, value, "")
    below.origins.update(above.origins)


def _leaves(table: dict[str, Any], prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def _lines(error: ValidationError, origins: dict[KeyPath, str]) -> list[str]:
    lines = [line for item in error.errors(include_url=False) for line in _describe(item, origins)]
    return list(dict.fromkeys(lines))


def _describe(item: ErrorDetails, origins: dict[KeyPath, str]) -> Iterator[str]:
    path = tuple(str(part) for part in item["loc"] if part != "[key]")
    key = ".".join(path)
    origin = _nearest(path, origins)
    place = f"{origin}: " if origin else ""
    if item["type"] == "extra_forbidden":
        yield f"{place}unknown key '{key}'{_suggest(path)}"
        return
    if item["type"] == "value_error":
        message = str(item["ctx"]["error"])
    else:
        message = _sentence(item["msg"]) + _got(path, item["input"])
    for line in message.split("\n"):
        # A rule between several top-level keys has no path of its own; its message starts with the key it
        # blames.
        blamed = tuple(line.partition(":")[0].split(".")) if not path else ()
        where = f"{origins[blamed]}: " if blamed in origins else place
        yield f"{where}{key}: {line}" if key and not _names_flag(origin, path) else f"{where}{line}"


def _names_flag(origin: str, path: KeyPath) -> bool:
    """A flag or variable that already says which key it sets needs no key beside it."""
    return origin.startswith("--") or (
        origin.startswith("environment ") and "__".join(path).upper() in origin
    )


def _nearest(path: KeyPath, origins: dict[KeyPath, str]) -> str:
    for end in range(len(path), 0, -1):
        if origin := origins.get(path[:end]):
            return origin
    return ""


def _got(path: KeyPath, value: object) -> str:
    # Header rules may hold secrets, and a whole table says nothing in one line.
    if "request_headers" in path or "response_headers" in path or not isinstance(value, str | int | float):
        return ""
    shown = repr(value)
    return f", got {shown}" if len(shown) <= 80 else ""


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:]


def _suggest(path: KeyPath) -> str:
    """`; did you mean ...?` with a key of the same table, or the full name of one in another table."""
    *table, wrong = path
    siblings = _keys(tuple(table))
    if close := difflib.get_close_matches(wrong, siblings, n=1, cutoff=0.6):
        return f"; did you mean '{close[0]}'?"
    elsewhere = [name for name in _all_keys() if name.rpartition(".")[2] == wrong]
    if elsewhere:
        return f"; did you mean '{elsewhere[0]}'?"
    return f"; known here: {', '.join(sorted(siblings))}" if siblings and len(siblings) <= 8 else ""


def _keys(table: KeyPath) -> list[str]:
    model: Any = Settings
    for name in table:
        model = _below(model, name)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _below(model: Any, name: str) -> Any:
    """The annotation one level down: a field of a model, or the value type of a dict."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(name)
        return field.annotation if field else None
    return get_args(model)[1] if get_origin(model) is dict else None


def _all_keys(model: Any = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        label = f"{prefix}{name}"
        if get_origin(inner) is dict and isinstance(get_args(inner)[1], type):
            inner, label = get_args(inner)[1], f"{label}.NAME"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _all_keys(inner, f"{label}.")
        else:
            yield f"{prefix}{name}"


def description(path: KeyPath) -> str:
    """What the key at `path` means, with unit and default. KeyError when there is no such key."""
    *table, key = path
    model: Any = Settings
    for name in table:
        model = _below(model, name)
    return str(model.model_fields[key].description)
