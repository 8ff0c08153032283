"""Exceptions become kinds by type and errno, lookups end in time, and private addresses are seen through."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from downstream_proxy import connecting
from downstream_proxy.connecting import AddressProhibitedError, connect_error, is_public, make_session
from downstream_proxy.errors import ErrorKind
from downstream_proxy.resolving import BoundedResolver, LookupTimeoutError
from downstream_proxy.settings import DownstreamSettings

KEY = ConnectionKey("name", 80, False, True, None, None, None)


def connector(number: int) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(KEY, OSError(number, "text that says nothing"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), ErrorKind.CONNECT_TIMEOUT),
        (aiohttp.ConnectionTimeoutError(), ErrorKind.CONNECT_TIMEOUT),
        (connector(errno.ETIMEDOUT), ErrorKind.CONNECT_TIMEOUT),
        (connector(errno.ECONNREFUSED), ErrorKind.CONNECTION_REFUSED),
        (connector(errno.EHOSTUNREACH), ErrorKind.UNREACHABLE),
        (connector(errno.ENETUNREACH), ErrorKind.UNREACHABLE),
        (connector(errno.EADDRNOTAVAIL), ErrorKind.UNREACHABLE),
        (connector(errno.EMFILE), ErrorKind.OUT_OF_DESCRIPTORS),
        (connector(errno.ENFILE), ErrorKind.OUT_OF_DESCRIPTORS),
        (aiohttp.ClientConnectorError(KEY, AddressProhibitedError()), ErrorKind.ADDRESS_PROHIBITED),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "")), ErrorKind.DNS_ERROR),
        (aiohttp.ClientConnectorDNSError(KEY, LookupTimeoutError("name")), ErrorKind.DNS_TIMEOUT),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "")), ErrorKind.TLS_PROTOCOL),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError()),
            ErrorKind.TLS_CERTIFICATE,
        ),
        (OSError("several things went wrong"), ErrorKind.UNREACHABLE),
    ],
    ids=lambda value: value.value if isinstance(value, ErrorKind) else type(value).__name__,
)
def test_exception_becomes_its_kind(error: BaseException, kind: ErrorKind) -> None:
    assert connect_error(error).kind is kind


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.1.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::93.184.215.14", True),
    ],
)
def test_address_is_judged_by_where_it_leads(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


# -- lookups


class Names:
    """Stands in for the system's resolver. `asked` counts; with `gate` closed no answer comes."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.address = "192.0.2.1"

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        self.gate.wait(10)
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 3)),
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.gate.set()


async def test_lookup_gives_every_address_with_its_zone(names: Names) -> None:
    found = await BoundedResolver(1.0).resolve("name.test", 80)
    assert [(item["host"], item["port"]) for item in found] == [("192.0.2.1", 80), ("fe80::1%3", 80)]


async def test_unknown_name_is_an_error(names: Names) -> None:
    with pytest.raises(socket.gaierror):
        await BoundedResolver(1.0).resolve("unknown.test", 80)


async def test_lookup_that_hangs_ends_in_time_and_is_asked_once(names: Names) -> None:
    names.gate.clear()
    resolver = BoundedResolver(0.05)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(LookupTimeoutError):
            await resolver.resolve("name.test", 80)
        assert 0.04 < time.monotonic() - began < 1
    assert names.asked == 1
    names.gate.set()
    resolver = BoundedResolver(5)
    assert await resolver.resolve("name.test", 80)


async def test_late_answer_serves_those_who_wait_by_then(names: Names) -> None:
    names.gate.clear()
    resolver = BoundedResolver(5)
    waiting = [asyncio.create_task(resolver.resolve("name.test", 80)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    names.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, list) for result in results[1:])
    assert names.asked == 1


async def test_closing_lets_a_hanging_lookup_go(names: Names) -> None:
    names.gate.clear()
    resolver = BoundedResolver(60)
    task = asyncio.create_task(resolver.resolve("name.test", 80))
    await asyncio.sleep(0)
    await resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_changed_address_is_used_when_its_time_is_over(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "DNS_SECONDS", 0.05)
    async with make_session(DownstreamSettings(url="http://name.test")) as session:
        assert isinstance(session.connector, aiohttp.TCPConnector)
        connector = session.connector

        async def hosts() -> set[str]:
            return {item["host"] for item in await connector._resolve_host("name.test", 80)}

        assert "192.0.2.1" in await hosts()
        names.address = "192.0.2.2"
        assert "192.0.2.1" in await hosts()
        assert names.asked == 1
        deadline = time.monotonic() + 5
        while "192.0.2.1" in await hosts():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert "192.0.2.2" in await hosts()
