"""What every table of the settings shares: frozen, no unknown keys, descriptions that state unit and default.

What it is for: `Table` and `option`, used by the models.
What it must not know: any particular setting.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

MiB: Final = 1024**2


def option(default: Any, meaning: str, unit: str = "", **constraints: Any) -> Any:
    """A field whose description ends with its unit and its real default; the two cannot drift apart."""
    return Field(
        default,
        description=f"{meaning} ({unit + '; ' if unit else ''}default {_shown(default)})",
        **constraints,
    )


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None or default == ():
        return "none"
    if isinstance(default, tuple):
        return ", ".join(str(item) for item in default)
    if isinstance(default, int) and default >= MiB and default % MiB == 0:
        return f"{default // MiB} MiB"
    return f"{default:g}" if isinstance(default, float) else str(default)


class Table(BaseModel):
    """A frozen table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
