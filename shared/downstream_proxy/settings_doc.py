"""`python -m downstream_proxy.settings_doc`: prints docs/settings.md from the model, writes it, or checks a
file.

It must not know single settings: meaning, unit and default are the model's descriptions, the kind of value is
the JSON Schema's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .generated import document_command
from .settings_schema import schema

_INTRODUCTION = """\
<!-- Printed by `python -m downstream_proxy.settings_doc`; edit the model in settings*.py, not this file. -->

# Settings

The keys of the TOML file that `--config` or `DOWNSTREAM_PROXY_CONFIG` names. Each is also an environment
variable, in capitals with two underscores between tables: `limits.max_target` is
`DOWNSTREAM_PROXY_LIMITS__MAX_TARGET`. Flags (`downstream-proxy serve --help`) win over the environment, the
environment over the file, the file over the defaults; `downstream-proxy print-config` shows what came out and
where each value came from.

Durations are seconds. Sizes are bytes or text such as `"64MiB"`. `"none"` lifts a limit. Lists may also be
one text with commas. A table that is left out has its defaults.

Editors that know JSON Schema check the file while you write: `downstream-proxy schema > schema.json`, and
`#:schema ./schema.json` as its first line. `downstream-proxy check-config` has the last word: it
also knows the rules between values, and tries files and hooks.
"""
_TOP = "The process, its listener, and what holds for every downstream."
_TAIL = re.compile(r" \((?:(?P<unit>[^();]*(?:\([^()]*\))?[^();]*); )?default (?P<default>[^()]*)\)$")


def markdown() -> str:
    """The whole document."""
    document = schema()
    parts = [_INTRODUCTION]
    for title, table in _tables(document, document, ""):
        about = " ".join(str(table.get("description", "")).split()) if title else _TOP
        rows = [_row(name, field) for name, field in table["properties"].items() if not _below(field)]
        heading = f"## `[{title}]`" if title else "## At the top"
        parts.append(
            f"{heading}\n\n{about}\n\n| Key | Value | Unit | Default | Meaning |\n"
            "| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def _tables(
    document: dict[str, Any], table: dict[str, Any], title: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield title, table
    for name, field in table["properties"].items():
        if reference := _below(field):
            inside = f"{title}.{name}".lstrip(".")
            if "items" in field:
                inside = f"[{inside}]"
            elif "$ref" not in field:
                inside += ".NAME"
            yield from _tables(document, document["$defs"][reference], inside)


def _below(field: dict[str, Any]) -> str:
    """The name of the table a key holds, or of those in the table or list of tables it holds."""
    inner = field.get("additionalProperties") or field.get("items")
    reference = field.get("$ref") or (inner.get("$ref") if isinstance(inner, dict) else None)
    return str(reference).rpartition("/")[2] if reference else ""


def _row(name: str, field: dict[str, Any]) -> str:
    meaning = str(field.get("description", ""))
    unit, default = "", "none" if "default" in field else "has to be given"
    if tail := _TAIL.search(meaning):
        meaning, unit, default = meaning[: tail.start()], tail["unit"] or "", f"`{tail['default']}`"
    if field.get("type") == "boolean":
        default = f"`{json.dumps(field['default'])}`"
    cells = (f"`{name}`", _kind(field), unit, default, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f'`"{value}"`' for value in field["enum"])
    if "const" in field:
        return f'`"{field["const"]}"`'
    if "anyOf" in field:
        kinds = dict.fromkeys(_kind(choice) for choice in field["anyOf"])
        kinds.pop("text", None) if "list of text" in kinds else None
        return " or ".join(kinds)
    kind = field.get("type")
    if kind == "array":
        return f"list of {_kind(field['items'])}"
    if kind == "object":
        return f"table of {_kind(field['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    return words.get(str(kind), "any")


if __name__ == "__main__":
    raise SystemExit(document_command("downstream_proxy.settings_doc", markdown))
