"""A name with several addresses is spread over and failed over, and a change of its addresses is followed."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from downstream_proxy import connecting
from downstream_proxy.connecting import Address
from downstream_proxy.message import OutgoingRequest
from downstream_proxy.settings import DownstreamSettings
from downstream_proxy.wire_downstream import WireDownstream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs more than one loopback address")

NAME = "service.test"


class Server:
    """Answers every request with its address. connections: accepted so far."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.connections = 0
        self.server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> int:
        self.server = await asyncio.start_server(self._serve, self.host, port)
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                body = self.host.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in list(self._writers):
            writer.transport.abort()


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two on one port."""
    first, second = Server("127.0.0.1"), Server("127.0.0.2")
    await second.start(await first.start())
    yield first, second
    first.stop()
    second.stop()


class Names:
    """The addresses that NAME has now, none for a name server that is down; and how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.lookups = 0


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != NAME:
            return real(host, port, *rest, **more)
        made.lookups += 1
        if not made.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "down")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in made.addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return made


Ask = Callable[[], Any]


@asynccontextmanager
async def downstream(server: Server, **pool: float) -> AsyncIterator[Ask]:
    assert server.server is not None
    url = f"http://{NAME}:{server.server.sockets[0].getsockname()[1]}"
    wire = WireDownstream(DownstreamSettings.model_validate({"url": url, "pool": pool}), Address.parse(url))
    await wire.open()

    async def ask() -> str:
        request = OutgoingRequest(b"GET", b"/", [(b"Host", NAME.encode())])
        response = await wire.send(request, lambda: None)
        return (await response.body.readany()).decode()

    try:
        yield ask
    finally:
        await wire.close()


async def test_new_connections_are_spread_over_all_addresses_of_a_name(
    servers: tuple[Server, Server], names: Names
) -> None:
    names.addresses = ("127.0.0.1", "127.0.0.2")
    async with downstream(servers[0], keep_alive=0) as ask:
        for _ in range(10):
            await ask()
    assert [server.connections for server in servers] == [5, 5]


async def test_address_that_refuses_is_passed_over_within_one_attempt(
    servers: tuple[Server, Server], names: Names
) -> None:
    names.addresses = ("127.0.0.1", "127.0.0.2")
    servers[0].stop()
    async with downstream(servers[1], keep_alive=0) as ask:
        assert {await ask() for _ in range(10)} == {"127.0.0.2"}


async def test_connection_that_is_never_idle_leaves_an_address_that_its_name_has_left(
    servers: tuple[Server, Server], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "DNS_SECONDS", 0.02)
    names.addresses = ("127.0.0.1",)
    async with asyncio.timeout(5), downstream(servers[0]) as ask:
        await ask()
        names.addresses = ()
        while names.lookups < 5:
            assert await ask() == "127.0.0.1", "a name server that is down ends no connection"
        names.addresses = ("127.0.0.2",)
        while await ask() != "127.0.0.2":
            pass
    assert [server.connections for server in servers] == [1, 1]


async def test_connections_stay_while_their_address_is_among_those_of_the_name(
    servers: tuple[Server, Server], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "DNS_SECONDS", 0.02)
    names.addresses = ("127.0.0.1",)
    async with asyncio.timeout(5), downstream(servers[0]) as ask:
        await ask()
        while names.lookups < 9:
            # Missing from one answer in two, as some name servers do it.
            names.addresses = ("127.0.0.2",) if names.lookups % 2 else ("127.0.0.1",)
            assert await ask() == "127.0.0.1"
    assert servers[0].connections == 1


async def test_watch_ends_with_the_last_connection_and_begins_with_the_next(
    servers: tuple[Server, Server], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "DNS_SECONDS", 0.01)
    names.addresses = ("127.0.0.1",)
    before = asyncio.all_tasks()

    def watching() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() - before if "NameWatch" in repr(task)]

    async with asyncio.timeout(5), downstream(servers[0], keep_alive=0.02) as ask:
        assert not watching()
        for _ in range(2):
            await ask()
            await asyncio.gather(*watching())
    assert servers[0].connections == 2
