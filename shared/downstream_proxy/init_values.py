"""What the templates of `downstream-proxy init` are filled with, worked out from the settings. Pure but for
the look-up of a host name; knows numbers and addresses, no file format beyond a line of it."""

from __future__ import annotations

import ipaddress
import math
import socket
from dataclasses import dataclass

from . import __version__
from .identity import TrustedPeers
from .settings import Settings
from .settings_source import ConfigurationError

ADMIN_PORT = 9100
SPARE_SECONDS = 10
"""Between the proxy's own deadline and the moment somebody else kills it."""

ENDPOINT_SECONDS = 5.0
"""Kubernetes tells its nodes of an endpoint's end while SIGTERM is on its way already."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Stop:
    """How long the end of a process may take. seconds: in all. words: the sum, for people."""

    seconds: int
    words: str

    @classmethod
    def of(cls, settings: Settings, at_least: float = 0.0) -> Stop:
        delay = max(settings.timeouts.shutdown_delay, at_least)
        parts = (delay, settings.timeouts.shutdown, SPARE_SECONDS)
        total = math.ceil(sum(parts))
        words = (
            f"timeouts.shutdown_delay {parts[0]:g} s + timeouts.shutdown {parts[1]:g} s + "
            f"{SPARE_SECONDS} s to spare = {total} s."
        )
        return cls(total, words)


def admin_port(settings: Settings) -> int:
    """The port of the admin listener where it has to be on every address."""
    return int(settings.admin.listen.rpartition(":")[2]) if settings.admin.listen else ADMIN_PORT


def fixed_port(settings: Settings) -> int:
    """Raises ConfigurationError when the system chooses the port."""
    if settings.port == 0:
        raise ConfigurationError(["port = 0 lets the system choose; the files of init need a number"])
    return settings.port


def authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_addresses(settings: Settings) -> list[str]:
    """`ADDRESS:PORT` for each address of `host`. Raises ConfigurationError for a name that has none."""
    port = fixed_port(settings)
    try:
        ipaddress.ip_address(settings.host)
    except ValueError:
        try:
            found = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise ConfigurationError([f"host = {settings.host!r} has no address on this machine"]) from None
        return list(dict.fromkeys(authority(str(entry[4][0]), port) for entry in found))
    return [authority(settings.host, port)]


def reach(settings: Settings) -> str:
    """Where a web server on the same machine finds the proxy: `ADDRESS:PORT` or `unix:PATH`."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    return authority(_LOOPBACK.get(settings.host, settings.host), fixed_port(settings))


def trust(settings: Settings) -> str:
    """One sentence on whether the proxy believes the web server before it."""
    peer = "" if settings.uds is not None else "127.0.0.1"
    if peer in TrustedPeers(settings.trusted_proxies):
        return "The proxy's trusted_proxies has this machine, so what is said here of the client is believed."
    wanted = '["*"], as a Unix socket has no address,' if settings.uds is not None else f'["{peer}"]'
    return f"Set trusted_proxies = {wanted} in the proxy's file, or nothing said here is believed."


def descriptors(settings: Settings) -> tuple[int, str]:
    """Open files one process may need, and the sum in words."""
    pools = sum(downstream.pool.max_connections for downstream in settings.downstreams.values())
    needed = 4 * settings.limits.max_inflight + pools + 1000
    words = (
        f"4 x limits.max_inflight {settings.limits.max_inflight}, as most kept connections are idle, + "
        f"{pools} places downstream + 1000, and at least 65536"
    )
    return max(65536, needed), words


def inflight(settings: Settings) -> tuple[int, str]:
    """Requests in flight in one process from which on another is worth having, and why."""
    pools = sum(downstream.pool.max_connections for downstream in settings.downstreams.values())
    most = min(pools, settings.limits.max_inflight)
    target = max(1, most * settings.workers * 7 // 10)
    words = (
        f"70 % of the {most} requests that can be with downstreams at once (pool.max_connections of all, at "
        f"most limits.max_inflight), times workers = {settings.workers}."
    )
    return target, words


def patience(settings: Settings) -> int:
    """Seconds a web server before the proxy has to wait for an answer, so that the proxy's own time-outs come
    first."""
    longest = 0.0
    for downstream in settings.downstreams.values():
        timeouts = downstream.timeouts
        before_head = timeouts.pool + timeouts.connect + timeouts.head
        longest = max(longest, before_head * downstream.retry.attempts, timeouts.read_idle)
    return math.ceil(longest) + 5


def made(kind: str) -> str:
    return (
        f"Made by `downstream-proxy init {kind}` of downstream-proxy {__version__} from its settings; "
        "run it again when they change."
    )
