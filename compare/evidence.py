"""Result files of behaviour, faults and claims: cells by subject, with the environment they were found in.

A file is written anew after each subject, and what was found about others stays, so that a long run may be
made in pieces. Must not know what a cell says.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from .clients import apart
from .clients.registry import CLIENTS
from .environment import PACKAGES, cpu_model

RESULTS = Path(__file__).resolve().parent / "results"

Outcome = Literal["kept", "broken", "not-offered", "error"]


class Cell(TypedDict):
    """One finding. rule: the contract's id, or the probe's. detail: what was seen, in one line."""

    outcome: Outcome
    detail: str
    rule: str


def environment() -> dict[str, Any]:
    """What a reader needs to judge or repeat a finding."""
    wanted = {*PACKAGES, *(library.distribution for library in CLIENTS.values() if not library.apart)}
    found = {}
    for package in sorted(wanted):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for library in CLIENTS.values():
        if library.apart and (version := apart.version(library.distribution)):
            found[library.distribution] = version
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": found,
    }


def load(path: Path) -> dict[str, Any]:
    """A result file, or an empty one."""
    if not path.exists():
        return {"environment": {}, "subjects": {}}
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def store(path: Path, subject: str, cells: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
    """Put one subject's cells into the file; those it had under other names stay."""
    kept = load(path)
    kept["environment"] = environment()
    kept |= more or {}
    kept["subjects"][subject] = {**kept["subjects"].get(subject, {}), **cells}
    write(path, kept)


def keep_only(path: Path, subjects: Collection[str]) -> None:
    """Forget subjects that there are no longer."""
    stored = load(path)
    if gone := stored["subjects"].keys() - set(subjects):
        stored["subjects"] = {name: cells for name, cells in stored["subjects"].items() if name not in gone}
        write(path, stored)


def write(path: Path, stored: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


def one_line(text: str, most: int = 240) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
