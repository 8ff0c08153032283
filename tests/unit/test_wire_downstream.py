"""The internals of aiohttp that the wire downstream leans on: a release that changes one has to be noticed,
and is served by the portable way meanwhile."""

from __future__ import annotations

import asyncio
import logging
import socket

import aiohttp
import pytest
from downstream_proxy import aiohttp_internals, downstream_choice
from downstream_proxy.connecting import Address
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.message import OutgoingRequest
from downstream_proxy.retry import may_retry
from downstream_proxy.session_downstream import SessionDownstream
from downstream_proxy.settings import DownstreamSettings, Settings
from downstream_proxy.wire_connection import IdleConnections, WireConnection
from downstream_proxy.wire_downstream import WireDownstream
from downstream_proxy.wire_exchange import WireExchange

URL = "http://127.0.0.1:9"


def test_installed_aiohttp_has_all_that_the_wire_leans_on() -> None:
    assert downstream_choice.missing_internals() == []
    assert downstream_choice.portable_because() is None


@pytest.mark.parametrize(("trust_env", "way"), [(False, WireDownstream), (True, SessionDownstream)])
def test_fast_way_is_taken_without_a_word_unless_the_environment_is_trusted(
    trust_env: bool, way: type, caplog: pytest.LogCaptureFixture
) -> None:
    settings = DownstreamSettings(url=URL, trust_env=trust_env)
    made = downstream_choice.choose_downstream()(settings, Address.parse(URL))
    assert type(made) is way
    assert not caplog.records


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (aiohttp.client_proto.ResponseHandler, "is_connected"),
        (aiohttp.connector.Connection, "protocol"),
    ],
)
def test_aiohttp_without_an_internal_is_noticed(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(owner, name)
    assert downstream_choice.choose_downstream() is SessionDownstream
    (record,) = caplog.records
    text = record.getMessage()
    assert record.levelno == logging.WARNING
    assert owner.__name__ in text
    assert aiohttp.__version__ in text
    assert "WebSocket" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (aiohttp.BaseConnector, "connect", "BaseConnector.connect"),
        (aiohttp.BaseConnector, "__init__", "BaseConnector._factory"),
        (aiohttp.ClientRequest, "__init__", "ClientRequest"),
    ],
)
def test_changed_internal_is_noticed(
    owner: object, name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(self: object, other: object) -> None:
        """Something else than it was."""

    monkeypatch.setattr(owner, name, changed)
    (missing,) = aiohttp_internals.missing()
    assert told in missing


def test_proxy_of_an_aiohttp_without_an_internal_takes_the_portable_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiohttp_internals, "missing", lambda: ["X"])
    forwarder = Forwarder(Settings(downstream="http://127.0.0.1:9"))
    assert isinstance(forwarder.state.by_name["default"].downstream, SessionDownstream)


async def test_connection_that_is_gone_before_it_was_used_may_be_made_again_for_any_method(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Gone:
        protocol = aiohttp_internals.Connecting(asyncio.get_running_loop())
        closed = False

        def close(self) -> None:
            self.closed = True

    async def connect() -> Gone:
        return gone

    gone, finished = Gone(), []
    downstream = WireDownstream(DownstreamSettings(url=URL), Address.parse(URL))
    await downstream.open()
    monkeypatch.setattr(downstream, "_connect", connect)
    request = OutgoingRequest(b"POST", b"/", [])
    with pytest.raises(ProxyError) as failed:
        await downstream.send(request, lambda: finished.append(1))
    await downstream.close()
    assert may_retry(request, failed.value, 1, 2)
    assert (finished, gone.closed) == ([1], True)


async def test_answer_that_comes_before_its_question_has_left_is_taken_for_nobodys() -> None:
    class Hold:
        def close(self) -> None: ...

    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport, maker = await loop.create_connection(
        lambda: aiohttp_internals.Connecting(asyncio.get_running_loop()), sock=ours
    )
    connection = WireConnection(Hold(), maker, transport, IdleConnections(5.0), loop)  # type: ignore[arg-type]
    finished: list[int] = []
    exchange = WireExchange(
        connection,
        OutgoingRequest(b"GET", b"/", []),
        DownstreamSettings(url=URL),
        lambda: finished.append(1),
        loop,
    )
    answer = exchange.start(b"GET / HTTP/1.1\r\n\r\n")
    exchange.data_received(memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(ProxyError) as failed:
        await answer
    assert failed.value.kind is ErrorKind.STALE_CONNECTION
    assert transport.is_closing()
    assert finished == [1]
    await asyncio.sleep(0)
    theirs.setblocking(True)
    with theirs:
        assert theirs.recv(100) == b""
