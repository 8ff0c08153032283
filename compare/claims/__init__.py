"""Claims about the well-known answer and about clients in servers, each with a program that checks it.

`python -m compare.claims` runs them all and writes results/claims.json; `python -m compare.claims NAME` runs
one. Each file has a sentence CLAIM and a function `check()` that says whether it holds, and what was seen.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..evidence import RESULTS, environment, one_line, write
from ..process import StartError

NAMES = tuple(
    sorted(entry.name for entry in pkgutil.iter_modules(__path__) if not entry.name.startswith("_"))
)


def run(name: str) -> dict[str, Any]:
    """One claim's finding; a check that cannot run says why."""
    module = importlib.import_module(f"{__name__}.{name}")
    try:
        holds, why = module.check()
    except (StartError, OSError, ImportError) as error:
        return {
            "claim": module.CLAIM,
            "verdict": "not checked",
            "why": one_line(str(error)),
            "demo": _file(name),
        }
    verdict = "holds" if holds else "does not hold"
    return {"claim": module.CLAIM, "verdict": verdict, "why": one_line(why, 400), "demo": _file(name)}


def _file(name: str) -> str:
    return f"compare/claims/{name}.py"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare.claims", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--write", type=Path, default=None, metavar="FILE", help="default: when all are run")
    given = parser.parse_args(arguments)
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    found = []
    names = given.names or NAMES
    for number, name in enumerate(names, 1):
        found.append(run(name))
        say.print(f"[{number}/{len(names)}] {name}: {found[-1]['verdict']}: {found[-1]['why']}", markup=False)
    path = given.write or (None if given.names else RESULTS / "claims.json")
    if path is not None:
        write(path, {"environment": environment(), "claims": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
