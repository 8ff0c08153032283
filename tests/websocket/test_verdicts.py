"""Same verdicts through the proxy as without it, over the whole table and with a real client."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ..backends import Backend
from ..origin import Origin
from .cases import CASES
from .verdict import Verdict, judge_all


@pytest.fixture(scope="session")
def direct(echo_port: int) -> list[Verdict]:
    return asyncio.run(judge_all(echo_port, CASES))


@pytest.fixture
def proxy_port(
    backend: Backend, echo_port: int, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> int:
    settings = f'[downstreams.default]\nurl = "http://127.0.0.1:{echo_port}"\n'
    return backend.server(settings, origin, tmp_path_factory.getbasetemp()).address[1]


def test_the_table_is_worth_running(direct: list[Verdict]) -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 200
    assert {1000, 1002, 1007, None} <= {verdict.code for verdict in direct}
    assert {verdict.end for verdict in direct} == {"end"}


def test_same_verdicts_through_the_proxy(proxy_port: int, direct: list[Verdict]) -> None:
    through = asyncio.run(judge_all(proxy_port, CASES))
    differences = {
        case.name: (without, behind)
        for case, without, behind in zip(CASES, direct, through, strict=True)
        if not without.same(behind)
    }
    assert not differences


@pytest.mark.parametrize("compression", ["deflate", None])
def test_real_client_and_server_agree_through_the_proxy(proxy_port: int, compression: str | None) -> None:
    with connect(
        f"ws://127.0.0.1:{proxy_port}/",
        subprotocols=["other", "chat"],  # type: ignore[list-item]
        compression=compression,
        max_size=None,
        proxy=None,
    ) as client:
        assert client.subprotocol == "chat"
        assert bool(client.protocol.extensions) == bool(compression)
        for message in ("text", "é" * 40_000, b"", b"\0\xff" * 500_000):
            client.send(message)
            assert client.recv(timeout=10) == message
        assert client.ping(b"mark").wait(10)
        client.send("close me")
        with pytest.raises(ConnectionClosed) as ended:
            client.recv(timeout=10)
        assert ended.value.rcvd is not None
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4321, "as you wish")
