"""`downstream-proxy schema`: the settings as a JSON Schema, for editors and for checks before a deployment.

What it is for: the model's own schema in the words of a TOML file, which has no null and where a table may be
left out. It says what one value may look like; rules between values, files that have to exist and names that
have to resolve are for `check-config`.
What it must not know: any single setting.
"""

from __future__ import annotations

import json
from typing import Any

from .generated import document_command
from .settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
# What pydantic leaves in its own words when a value is changed before it is checked.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schema() -> dict[str, Any]:
    """The document as data."""
    made = _tidied(Settings.model_json_schema())
    return {
        "$schema": DIALECT,
        "$id": "urn:downstream-proxy:settings",
        "title": "Settings of downstream-proxy",
        **{key: made[key] for key in ("description", "type", "additionalProperties", "properties", "$defs")},
    }


def schema_text() -> str:
    """The document as JSON, with a final newline."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(node: Any, *, names: bool = False) -> Any:
    """`node` without titles, null and defaults that are tables. names: its keys are names of settings."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {name: _tidied(value) for name, value in node.items()}
    found = {
        key: _tidied(value, names=key in ("properties", "$defs"))
        for key, value in node.items()
        if key not in ("title", "allow_inf_nan", *_BOUNDS)
        and not (key == "default" and isinstance(value, dict | None))
    }
    for key, word in _BOUNDS.items():
        if key in node:
            found.setdefault(word, node[key])
    if "anyOf" in found:
        choices = [choice for choice in _flat(found.pop("anyOf")) if choice != _NULL]
        found = {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), **found}
    return found


def _flat(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    flat: list[dict[str, Any]] = []
    for choice in choices:
        flat += _flat(choice["anyOf"]) if choice.keys() == {"anyOf"} else [choice]
    return flat


if __name__ == "__main__":
    raise SystemExit(document_command("downstream_proxy.settings_schema", schema_text))
