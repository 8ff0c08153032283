"""Settings from environment variables.

What it is for: `DOWNSTREAM_PROXY_LIMITS__MAX_TARGET=4096` becomes {"limits": {"max_target": "4096"}}, with
the name of the variable kept beside the value so that an error can say where it came from.
What it must not know: what any setting means. An unknown name is passed on; the model refuses it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX: Final = "DOWNSTREAM_PROXY_"
CONFIG_VARIABLE: Final = PREFIX + "CONFIG"
# Names other platforms and uvicorn use; our own prefixed name wins over them.
BORROWED: Final = {"PORT": "port", "WEB_CONCURRENCY": "workers", "FORWARDED_ALLOW_IPS": "trusted_proxies"}
# Kubernetes sets these in every pod once a Service is called "downstream-proxy"; none of them is meant for
# us.
_SERVICE_LINK = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")

Path = tuple[str, ...]


@dataclass
class Layer:
    """Nested values of one source and, for each leaf's path, the words that name its place."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)

    def put(self, path: Path, value: object, origin: str) -> None:
        """Store `value` at `path`; tables merge, anything else replaces."""
        if isinstance(value, dict) and value:
            self.origins.setdefault(path, origin)
            for key, item in value.items():
                self.put((*path, str(key)), item, origin)
            return
        table = self.values
        for key in path[:-1]:
            below = table.get(key)
            if not isinstance(below, dict):
                below = table[key] = {}
            table = below
        if value != {} or not isinstance(
            table.get(path[-1]), dict
        ):  # an empty table adds nothing to one given before
            table[path[-1]] = value
        self.origins[path] = origin


def read_environment(environ: Mapping[str, str] | None = None) -> Layer:
    """The layer of all variables that concern us; empty ones count as absent."""
    environ = os.environ if environ is None else environ
    layer = Layer()
    for name, key in BORROWED.items():
        if environ.get(name):
            layer.put((key,), environ[name], f"environment {name}")
    # Shorter names first, so that LIMITS='{...}' comes before LIMITS__MAX_TARGET and the precise one wins.
    for name in sorted(environ, key=lambda name: (name.count("__"), name)):
        value, rest = environ[name], name.removeprefix(PREFIX)
        if rest == name or not rest or not value or name == CONFIG_VARIABLE:
            continue
        if _SERVICE_LINK.fullmatch(rest) or (rest == "PORT" and _SERVICE_URL.match(value)):
            continue
        path = tuple(rest.lower().split("__"))
        layer.put(path, _table(path, value), f"environment {name}")
    return layer


def _table(path: Path, value: str) -> object:
    """A JSON object where a whole table is given in one variable; header values keep their braces."""
    inside_rules = len(path) > 4 and path[0] == "downstreams" and path[3] in ("set", "add")
    if value.lstrip().startswith("{") and not inside_rules:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


class EnvironmentSource(PydanticBaseSettingsSource):
    """`read_environment` as the source that pydantic-settings asks."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.layer = read_environment()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self.layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self.layer.values
