"""The start-up banner: what runs, where, in front of what, within which limits.

What it is for: a few lines on standard error that an operator can check at a glance.
What it must not know: how serving works; it only reads settings and sockets.
"""

from __future__ import annotations

import asyncio
import platform
import socket
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from . import __version__
from .listener import describe
from .settings import DownstreamSettings, Settings

PARSER = "downstream-proxy http1"


def banner(
    settings: Settings,
    sockets: Sequence[socket.socket],
    admin: Sequence[socket.socket],
    loop: str,
    portable: str | None = None,
) -> str:
    """Several lines, no final newline. `admin`: the sockets of `admin.listen`. `loop`: the event loop's name,
    as `event_loop()` gives it. `portable`: why the portable way to the downstreams is in use, if it is."""
    found = list(_rows(settings, sockets, admin, loop))
    if portable is not None:
        found.append(("portable", portable))
    width = max(len(label) for label, _ in found)
    rows = [f"  {label:<{width}}  {text}" for label, text in found]
    return "\n".join([f"downstream-proxy {__version__}", *rows])


def event_loop() -> tuple[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name and maker of the loop to run on: uvloop where it is installed, asyncio's own elsewhere."""
    try:
        import uvloop
    except ImportError:
        return "asyncio", asyncio.new_event_loop
    return f"uvloop {version('uvloop')}", uvloop.new_event_loop


def _rows(
    settings: Settings, sockets: Sequence[socket.socket], admin: Sequence[socket.socket], loop: str
) -> Iterator[tuple[str, str]]:
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    yield "backend", f"{settings.backend}{workers}"
    yield "loop", f"{loop}, Python {platform.python_version()}"
    yield "parser", PARSER
    scheme = "https" if settings.ssl_certfile else "http"
    for sock in sockets:
        yield "listening on", describe(sock, scheme)
    for name, downstream in settings.downstreams.items():
        yield "downstream", _route(name, downstream)
    limits = settings.limits
    yield (
        "limits",
        f"head {size(limits.max_request_head)}, {limits.max_header_fields} fields, "
        f"target {size(limits.max_target)}, body {size(limits.max_request_body)}, "
        f"{limits.max_inflight} in flight",
    )
    prefix = settings.admin.prefix
    guarded = "metrics, status, config"
    yield "admin", f"{prefix}healthy, ready" + ("" if admin else f"; {guarded} for {_peers(settings)}")
    for sock in admin:
        yield "admin", f"{describe(sock)}{prefix}healthy, ready, {guarded}"


def _peers(settings: Settings) -> str:
    return ", ".join(settings.admin.allow) or "nobody (admin.allow is empty)"


def _route(name: str, downstream: DownstreamSettings) -> str:
    stripped = " (prefix stripped)" if downstream.strip_prefix else ""
    return (
        f"{downstream.prefix}{stripped} -> {', '.join(downstream.addresses)}  [{name}, {downstream.delivery}]"
    )


def size(value: int | None) -> str:
    """Bytes for people: `32 KiB`, `1000 B`, `unlimited`."""
    if value is None:
        return "unlimited"
    for factor, unit in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if value >= factor and value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} B"
