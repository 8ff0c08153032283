"""Follows a downstream's name while connections to it are kept busy.

New connections ask for the name again when its answer is too old, and idle ones end soon; but a connection
that is never idle would stay with an address for ever that the name has long left. While there are
connections, the name is looked up at a steady pace, and those to addresses that it no longer has are not used
again. Knows no HTTP: it has connections, their other ends, and a resolver.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from aiohttp.abc import AbstractResolver

logger = logging.getLogger("downstream_proxy")

MISSING = 2
"""Lookups in a row that an address has to be missing from: some name servers give a part of their addresses
at a time."""


class Retirable(Protocol):
    """A connection that can be told not to serve again after its present exchange."""

    @property
    def transport(self) -> asyncio.BaseTransport | None: ...
    def retire(self) -> None: ...


class NameWatch:
    """Watches `host` for the connections that `add` is told of, every `seconds`; costs nothing while there
    are none."""

    def __init__(self, host: str, port: int, seconds: float, resolver: AbstractResolver) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds
        self._resolver = resolver
        self._connections: WeakSet[Retirable] = WeakSet()
        self._missing: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: Retirable) -> None:
        self._connections.add(connection)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._resolver.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            ends = self._ends()
            if not ends:
                self._task = None
                return
            try:
                found = await self._resolver.resolve(self._host, self._port)
            except OSError:
                # A name server that is down says nothing about the connections there are.
                continue
            self._compare(ends, {_plain(result["host"]) for result in found})

    def _ends(self) -> dict[str, list[Retirable]]:
        """The open connections by the address at their other end."""
        ends: dict[str, list[Retirable]] = {}
        for connection in list(self._connections):
            transport = connection.transport
            peer = (
                None if transport is None or transport.is_closing() else transport.get_extra_info("peername")
            )
            if peer is None:
                self._connections.discard(connection)
            else:
                ends.setdefault(_plain(peer[0]), []).append(connection)
        return ends

    def _compare(self, ends: dict[str, list[Retirable]], addresses: set[str]) -> None:
        self._missing = {end: self._missing.get(end, 0) + 1 for end in ends if end not in addresses}
        for end, times in self._missing.items():
            if times < MISSING:
                continue
            logger.info("%s no longer leads to %s: %d connections retire", self._host, end, len(ends[end]))
            for connection in ends[end]:
                self._connections.discard(connection)
                connection.retire()


def watch(
    host: str, port: int, seconds: float, make_resolver: Callable[[], AbstractResolver]
) -> NameWatch | None:
    """A watch for a host name; None for an address, which leads nowhere else."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return NameWatch(host, port, seconds, make_resolver())
    return None


def _plain(address: str) -> str:
    """An address in one spelling, without the interface of a link-local one."""
    return str(ipaddress.ip_address(address.partition("%")[0]))
