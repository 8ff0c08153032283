"""The environment block of a result file: machine, versions, limits.

Must not hold names of people or hosts.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .cores import Layout
from .proxies.peer import program_version

PACKAGES = ("downstream-proxy", "aiohttp", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "httpx")
TOOLS = {"wrk": ("wrk", "-v"), "h2load": ("h2load", "--version"), "openssl": ("openssl", "version")}


def cpu_model(text: str) -> str:
    """The first model name in /proc/cpuinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def _aiohttp_parser() -> str:
    from aiohttp import http_parser

    written = "C" if "_http_parser" in http_parser.HttpResponseParser.__module__ else "Python"
    return f"aiohttp's in {written}"


def describe(layout: Layout, origin_version: str) -> dict[str, Any]:
    """What a reader needs to know to judge or repeat the figures."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "proxy_cores": list(layout.proxy),
        "load_cores": list(layout.load),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "loop": f"uvloop {found['uvloop']}" if "uvloop" in found else "asyncio",
        "parser": f"httptools {found.get('httptools', '-')}, {_aiohttp_parser()}",
        "tls": ssl.OPENSSL_VERSION,
        "packages": found,
        "tools": {name: program_version(*command)() for name, command in TOOLS.items()},
        "origin": f"nginx {origin_version}",
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }
