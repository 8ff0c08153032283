"""Name lookup with an end: the system's resolver, asked in a thread that nobody has to wait for.

getaddrinfo can take half a minute and cannot be cancelled. Here it has its own thread per lookup, not one of
the loop's few, so that a stuck name server delays neither other names nor the end of the process. Knows
nothing of HTTP or of error kinds.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_FLAGS = socket.AI_ADDRCONFIG
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

_Key = tuple[str, int, int]
_Infos = list[tuple[Any, ...]]


class LookupTimeoutError(OSError):
    """The name was not resolved in time. An OSError, as aiohttp expects of a resolver that fails."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.ETIMEDOUT, "the lookup took too long", host)


class BoundedResolver(AbstractResolver):
    """Looks names up for at most `seconds`; who asks for a name that is still being looked up waits for that
    lookup, so one name has at most one thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[_Key, asyncio.Future[_Infos]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError: socket.gaierror, or LookupTimeoutError."""
        key = (host, port, int(family))
        lookup = self._running.get(key)
        if lookup is None:
            lookup = self._start(key)
        try:
            async with asyncio.timeout(self._seconds):
                infos = await asyncio.shield(lookup)
        except TimeoutError:
            raise LookupTimeoutError(host) from None
        return [_result(host, info) for info in infos]

    async def close(self) -> None:
        """Nobody waits for what still runs; its thread ends with the lookup."""
        for lookup in self._running.values():
            lookup.cancel()
        self._running.clear()

    def _start(self, key: _Key) -> asyncio.Future[_Infos]:
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[_Infos] = loop.create_future()
        self._running[key] = lookup
        lookup.add_done_callback(lambda _: self._running.pop(key, None))
        thread = threading.Thread(target=_look_up, args=(key, loop, lookup), name="lookup", daemon=True)
        thread.start()
        return lookup


def _look_up(key: _Key, loop: asyncio.AbstractEventLoop, lookup: asyncio.Future[_Infos]) -> None:
    """In the thread: ask, and hand the answer to the loop if there still is one."""
    host, port, family = key
    infos: _Infos = []
    error: Exception | None = None
    try:
        infos = list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=_FLAGS))
    except (OSError, UnicodeError) as caught:
        error = caught if isinstance(caught, OSError) else socket.gaierror(socket.EAI_NONAME, "not a name")
    try:
        loop.call_soon_threadsafe(_settle, lookup, infos, error)
    except RuntimeError:
        # The loop has closed: the process is going down, and nobody asks any more.
        return


def _settle(lookup: asyncio.Future[_Infos], infos: _Infos, error: Exception | None) -> None:
    if lookup.done():
        return
    if error is None:
        lookup.set_result(infos)
    else:
        lookup.set_exception(error)
        # All who asked may have given up by now; an error that nobody fetches is not worth a warning.
        lookup.exception()


def _result(host: str, info: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = info
    numeric, port = address[:2]
    if family == socket.AF_INET6 and address[3] and "%" not in numeric:
        # A link-local address is one only together with its interface (RFC 4007, section 11).
        numeric = f"{numeric}%{address[3]}"
    return ResolveResult(hostname=host, host=numeric, port=port, family=family, proto=proto, flags=_NUMERIC)
