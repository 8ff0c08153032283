"""Commands that live in other packages of the distribution: demo, check, compare.

What it is for: importing such a package only when its command runs, and saying in one line what to install
when it or something it needs is absent.
What it must not know: what those commands do with their arguments.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType


class MissingPartError(Exception):
    """A part of the distribution, or a library it needs, is not installed; the message says how to get it."""


def delegate(command: str, module: str, checkout: str, extra: str, arguments: list[str]) -> int:
    """Call `main(arguments)` of `module` and return its exit code.

    `checkout`: the module's name when the source tree itself is on the path; the wheel renames tests and
    compare so that it installs no top-level package of those names. Raises MissingPartError.
    """
    found = _import(command, module, checkout, extra)
    code = found.main(arguments)
    return code if isinstance(code, int) else 0


def _import(command: str, module: str, checkout: str, extra: str) -> ModuleType:
    candidates = [module, checkout] if _in_checkout() else [module]
    for name in dict.fromkeys(candidates):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if name == missing or name.startswith(f"{missing}."):
                continue  # this package itself is absent; the other name may be there
            raise MissingPartError(
                f"the command {command!r} needs {missing}: pip install 'downstream-proxy[{extra}]'"
            ) from None
    raise MissingPartError(
        f"the command {command!r} is not part of this installation: pip install 'downstream-proxy[{extra}]'"
    )


def _in_checkout() -> bool:
    # Only then do "tests" and "compare" mean ours; elsewhere they may be anybody's.
    return (Path(__file__).resolve().parents[2] / "run.py").is_file()
