"""Finds the programs that the comparison runs. Must not know what they are for."""

from __future__ import annotations

import os
import shutil

#: Debian keeps servers in folders that are not on an ordinary user's path.
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(name: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM)))


def missing(name: str, package: str, why: str = "") -> str | None:
    """One line when the program is not there, with Debian's name of its package."""
    if find(name):
        return None
    return f"{name} is not installed (Debian: apt install {package}){f'; {why}' if why else ''}"


def path(name: str) -> str:
    """The path of a program, or its name, so that starting it fails with that name."""
    return find(name) or name
