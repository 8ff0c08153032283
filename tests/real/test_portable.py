"""The portable way to a downstream, taken when aiohttp has lost an internal: what must hold on it too, on
both backends. `.ci/run` runs the contract's own tests on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from ..backends import Server, started_by
from ..contract.lab import get, post
from ..origin import Connection, Origin
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply, stall
from ..wire import Client

SETTINGS = """
[downstreams.default]
url = "http://$ORIGIN"
[downstreams.quick]
url = "http://$ORIGIN"
prefix = "/quick"
timeouts = { head = 0.4, read_idle = 0.4 }
[downstreams.refused]
url = "http://127.0.0.1:1"
prefix = "/refused"
"""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
HANDSHAKE = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")


@pytest.fixture(params=["aiohttp", "fastapi"], scope="module")
def started(
    request: pytest.FixtureRequest, the_origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    made = started_by([sys.executable, "-m", "tests.portable", request.param], [])
    yield made.server(SETTINGS, the_origin, tmp_path_factory.mktemp("portable"))
    made.stop()


@pytest.fixture
def client(started: Server, origin: Origin) -> Iterator[Client]:
    with started.connect() as made:
        yield made


def test_banner_and_log_say_what_is_lost(started: Server) -> None:
    assert (
        started.said(r"(?m)^  portable +aiohttp [\d.]+ .*ResponseHandler.*WebSocket.*constraints\.txt") == 1
    )
    assert started.said(r"WARNING downstream_proxy: aiohttp [\d.]+ .*ResponseHandler") == 1


def test_answers_come_one_after_the_other_on_kept_connections(client: Client, origin: Origin) -> None:
    for target in (b"/a?b=%7E", b"/a?b=%7E", b"/c//d"):
        client.send(get(target, b"X-One: 1"))
        response = client.read_response()
        assert (response.status, response.body[: len(target) + 4]) == (200, b"GET " + target)
    assert len({request.conn for request in origin.requests}) == 1
    assert [request.all(b"x-one") for request in origin.requests] == [[b"1"]] * 3


def test_upload_goes_down_as_it_comes(client: Client, origin: Origin) -> None:
    client.send(b"POST /up HTTP/1.1\r\nHost: proxy\r\nContent-Length: 6\r\n\r\n")
    origin.wait_head("/up")
    client.send(b"abc")
    assert not origin.wait_body("/up", 3).complete
    client.send(b"def")
    assert client.read_response().status == 200
    assert origin.seen("/up")[0].body == b"abcdef"


def test_answer_before_the_end_of_an_upload_ends_the_upload(client: Client, origin: Origin) -> None:
    async def refuse(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await conn.gone()

    origin.script("/early", refuse)
    client.send(b"POST /early HTTP/1.1\r\nHost: proxy\r\nContent-Length: 1000\r\n\r\nabc")
    response = client.read_response()
    assert (response.status, response.body) == (403, b"no")
    request = origin.seen("/early")[0]
    origin.wait_closed(request.conn)
    assert not request.complete


def test_broken_upload_is_never_whole_at_the_downstream(client: Client, origin: Origin) -> None:
    client.send(b"POST /cut HTTP/1.1\r\nHost: proxy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    request = origin.wait_body("/cut", 3)
    client.send(b"xx\r\n")
    assert client.read_response().status == 400
    origin.wait_closed(request.conn)
    assert not request.complete


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("whole", [ok(b"hello world"), CHUNKED], ids=["length", "chunked"])
def test_cut_answer_is_seen_as_cut(client: Client, origin: Origin, whole: bytes, reset: bool) -> None:
    origin.script("/cut", reply(whole[:-5], close=not reset, reset=reset))
    client.send(get(b"/cut"))
    with pytest.raises((TruncatedError, ConnectionResetError)):
        client.read_response()


@pytest.mark.parametrize("when", ["head", "content"])
def test_client_that_leaves_ends_the_exchange(started: Server, origin: Origin, when: str) -> None:
    async def endless(conn: Connection, request: Request) -> None:
        if when == "content":
            await conn.send(ok(b"hello" * 9)[:-9])
        await conn.gone()

    origin.script("/left", endless)
    with started.connect() as client:
        client.send(get(b"/left"))
        origin.wait_head("/left")
        if when == "content":
            client.read_head()
    origin.wait_closed(origin.seen("/left")[0].conn)


def test_silence_is_a_time_out_before_the_head_and_an_abort_behind_it(
    started: Server, origin: Origin
) -> None:
    origin.script("/quick/never", stall)
    origin.script("/quick/stops", reply(ok(b"hello")[:-1]))
    with started.connect() as client:
        client.send(get(b"/quick/never"))
        assert client.read_response().one(b"proxy-status") == b"downstream-proxy; error=http_response_timeout"
    with started.connect() as client:
        client.send(post(b"/quick/never", b"abc"))
        assert client.read_response().status == 504
    with started.connect() as client:
        client.send(get(b"/quick/stops"))
        with pytest.raises((TruncatedError, ConnectionResetError)):
            client.read_response()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (get(b"/refused"), "connection-refused"),
        (get(b"/ws", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *HANDSHAKE), "upgrade-failed"),
    ],
    ids=["refused", "WebSocket"],
)
def test_what_cannot_be_had_is_a_problem_document(client: Client, data: bytes, kind: str) -> None:
    client.send(data)
    response = client.read_response()
    assert response.status == 502
    assert response.one(b"content-type") == b"application/problem+json"
    assert json.loads(response.body)["type"].endswith(f":{kind}")


def test_nothing_is_sent_twice_that_may_have_been_processed(started: Server, origin: Origin) -> None:
    origin.script("/once", reply(b"", close=True))
    for data in (post(b"/once", b"abc"), post(b"/once", b"abc", method=b"PUT")):
        with started.connect() as client:
            client.send(data)
            assert client.read_response().status == 502
    assert len(origin.seen("/once")) == 2
