"""A folder of its own for a library that cannot share an environment with the others.

niquests brings urllib3-future, whose .pth file copies itself over an installed urllib3 whenever Python
starts: in one environment with it, `requests` and `urllib3` would no longer be themselves. Installed into a
folder that is only on PYTHONPATH, its .pth file is not read, and niquests finds urllib3-future under that
name.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

INSTALL_SECONDS = 180
_ROOT = Path(__file__).resolve().parents[2]


def folder(distribution: str) -> Path:
    """Beside this environment's packages, so that it goes with them."""
    return Path(sys.prefix) / "apart" / distribution


def search_path() -> str:
    """This process's import path, for a child that runs in another folder."""
    return os.pathsep.join(entry for entry in sys.path if entry)


def environment(distribution: str) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join((str(folder(distribution)), search_path()))}


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A whole environment for a child process."""
    return {**os.environ, "PYTHONPATH": search_path(), **extra}


def version(distribution: str) -> str | None:
    """The installed version, or None."""
    found: Iterable[importlib.metadata.Distribution] = importlib.metadata.distributions(
        name=distribution, path=[str(folder(distribution))]
    )
    return next((entry.version for entry in found), None)


def prepare(distribution: str) -> str | None:
    """Install it with pip unless it is there; why that failed, or None."""
    target = folder(distribution)
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if version(distribution):
            return None
        return _install(distribution, target)


def _install(distribution: str, target: Path) -> str | None:
    options = ["install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    constraints = _ROOT / "constraints.txt"
    if constraints.exists():
        options += ["--constraint", str(constraints)]
    reason = "pip is not there"
    for command in pips():
        try:
            shown = subprocess.run(
                [*command, *options, distribution],
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pip install {distribution}: {error}"
        if shown.returncode == 0:
            return None
        errors = [line for line in shown.stderr.splitlines() if "ERROR" in line or "No module" in line]
        reason = f"pip install {distribution}: {errors[0] if errors else shown.stderr.strip()[-200:]}"
    return reason


def pips() -> list[list[str]]:
    """This environment's pip, else that of the Python it was made from, which may install for us."""
    base = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}")
    return [[sys.executable, "-m", "pip"], [base, "-m", "pip", "--python", sys.executable]]
