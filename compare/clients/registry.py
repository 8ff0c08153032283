"""The client libraries by name: which file speaks for them and which distribution they come from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from . import apart

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Library:
    """distribution: on PyPI. file: the module in this folder. apart: it cannot share an environment with the
    others, so it lives in a folder of its own (see apart.py)."""

    name: str
    distribution: str
    file: str
    apart: bool = False
    title: str = ""

    @property
    def module(self) -> str:
        return f"{_PACKAGE}.{self.file}"

    def environment(self) -> dict[str, str]:
        """What to add to the environment of a process that uses it."""
        return apart.environment(self.distribution) if self.apart else {}

    def missing(self) -> str | None:
        """Why it cannot take part here: the text of the error at import; None when it can.

        Asked in a process of its own, as some libraries replace others when they are imported.
        """
        if self.apart and (reason := apart.prepare(self.distribution)):
            return reason
        shown = subprocess.run(
            [sys.executable, "-c", f"import {self.module}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=apart.child_environment(self.environment()),
        )
        if shown.returncode == 0:
            return None
        lines = shown.stderr.strip().splitlines()
        return lines[-1] if lines else f"import ends with exit code {shown.returncode}"


CLIENTS: dict[str, Library] = {
    library.name: library
    for library in (
        Library("aiohttp", "aiohttp", "aiohttp", title="aiohttp"),
        Library("httpx", "httpx", "httpx", title="httpx"),
        Library("httpx2", "httpx2", "httpx2", title="httpx2"),
        Library("httpx-aiohttp", "httpx-aiohttp", "httpx_aiohttp", title="httpx over aiohttp"),
        Library("requests", "requests", "requests", title="requests in a thread pool"),
        Library("urllib3", "urllib3", "urllib3", title="urllib3 in a thread pool"),
        Library("niquests", "niquests", "niquests", apart=True, title="niquests (async)"),
        Library("pyreqwest", "pyreqwest", "pyreqwest", title="pyreqwest"),
        Library("wreq", "wreq", "wreq", title="wreq (formerly rnet)"),
        Library("primp", "primp", "primp", title="primp"),
        Library("curl-cffi", "curl-cffi", "curl_cffi", title="curl_cffi"),
        Library("pycurl", "pycurl", "pycurl", title="pycurl in a thread pool"),
    )
}
