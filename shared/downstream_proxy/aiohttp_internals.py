"""What the fast way to a downstream leans on of aiohttp beyond its public API; no other module there names
any of it.

TCPConnector.connect and its `_factory`, ClientRequest as its key, Connection.protocol and close, and
ResponseHandler as base class. `missing` looks for each; downstream_choice asks it at the start, and takes the
portable way when one is gone.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from yarl import URL

__all__ = ["Connect", "Connecting", "Connection", "connecting_to", "missing"]

Connect = Callable[[], Awaitable[Connection]]


class Connecting(ResponseHandler):
    """What aiohttp's connector makes a connection with; a WireConnection takes over from it."""

    def data_received(self, data: bytes) -> None:
        """A downstream that speaks before it was asked does not speak HTTP/1.1."""
        self.abort()


def connecting_to(url: URL, server_name: str | None, session: aiohttp.ClientSession) -> Connect:
    """What makes a connection by the session's connector, with its name lookup, TLS and time-out; the
    protocol of each is a Connecting. Raises what the connector raises."""
    loop = asyncio.get_running_loop()
    connector = session.connector
    assert connector is not None
    connector._factory = functools.partial(Connecting, loop=loop)  # type: ignore[assignment]
    # The connector knows a destination by the request that asks for it; all of ours ask for the same.
    key = ClientRequest("GET", url, loop=loop, session=session, server_hostname=server_name)
    return functools.partial(connector.connect, key, [], session.timeout)


def missing() -> list[str]:
    """What this aiohttp lacks of what this module leans on; empty for a usable one."""
    request = inspect.signature(ClientRequest.__init__).parameters
    connect = inspect.signature(aiohttp.BaseConnector.connect).parameters
    found = {
        "ClientRequest's parameters": {"method", "url", "loop", "session", "server_hostname"}
        <= request.keys(),
        "BaseConnector.connect's parameters": list(connect) == ["self", "req", "traces", "timeout"],
        "BaseConnector._factory": "_factory" in aiohttp.BaseConnector.__init__.__code__.co_names,
        "Connection.protocol": hasattr(Connection, "protocol") and hasattr(Connection, "close"),
        "ResponseHandler's interface": all(
            hasattr(ResponseHandler, name) for name in ("abort", "connection_lost", "is_connected")
        ),
    }
    return [name for name, there in found.items() if not there]
