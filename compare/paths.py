"""Where the stored results are, in a checkout and in an installed package alike.

Must not know what they hold.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
RESULTS = PACKAGE / "results"
COST = RESULTS / "cost.json"
PROXIES = RESULTS / "proxies.json"
SIDES = RESULTS / "sides.json"
BEHAVIOUR = RESULTS / "behaviour.json"
FAULTS = RESULTS / "faults.json"
CLAIMS = RESULTS / "claims.json"


def checkout() -> Path | None:
    """The root of the source tree, or None when this is an installed package."""
    root = PACKAGE.parent
    return root if PACKAGE.name == "compare" and (root / "pyproject.toml").is_file() else None
