"""Chapter bodies: expectations, interim answers and answers that come before the upload is done."""

from __future__ import annotations

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, reply
from .lab import Lab, chunked, chunks, get, own, post, rule

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@rule("bodies.expect-continue")
def test_body_is_asked_for_when_the_downstream_asks(proxy: Lab) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        assert request.all(b"expect") == [b"100-continue"]
        assert not conn._buffer
        await conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await conn.send(ok(await request.read()))

    proxy.origin.script("/x", handler)
    raw = post(b"/x", b"hello", b"Expect: 100-continue")
    client = proxy.send(raw[:-5])
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    response = client.send(raw[-5:]).read_response()
    assert response.status == 200
    assert response.body == b"hello"
    assert not response.interim


@rule("bodies.expect-continue")
@pytest.mark.parametrize("status", [b"403 Forbidden", b"417 Expectation Failed", b"200 OK"])
def test_final_answer_before_the_body_comes_without_a_100(proxy: Lab, status: bytes) -> None:
    proxy.origin.script("/x", reply(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno", read=False))
    client = proxy.send(post(b"/x", b"hello", b"Expect: 100-continue")[:-5])
    response = client.read_response()
    assert response.status == int(status[:3])
    assert response.body == b"no"
    assert not response.interim
    assert b"close" in b",".join(response.all(b"connection"))
    assert client.ended()


@rule("bodies.expect-without-wait", "bodies.expect-continue")
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
def test_impatient_client_is_served(proxy: Lab, framing: str, value: bytes) -> None:
    field = b"Expect: " + value
    raw = post(b"/x", b"hello", field) if framing == "length" else chunked(b"/x", b"hello", fields=(field,))
    client = proxy.send(raw)
    assert client.read_response().status == 200
    assert proxy.origin.wait_request("/x").body == b"hello"
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.no-interim-to-http10")
def test_http10_client_gets_the_final_answer_only(proxy: Lab) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def handler(conn: Connection, request: Request) -> None:
        # A server that passes the version on must be answered accordingly.
        await conn.send((interim if request.version == b"1.1" else b"") + ok(b"hello"))

    proxy.origin.script("/x", handler)
    response = proxy.ask(post(b"/x", b"hello", b"Expect: 100-continue", version=b"1.0"))
    assert response.status == 200
    assert response.body == b"hello"
    assert not response.interim


@rule("bodies.interim-survived")
@pytest.mark.parametrize(
    "interim",
    [
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n", id="103"),
        pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n" * 5, id="102 five times"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="100 unasked"),
        pytest.param(b"HTTP/1.1 199 Odd\r\nContent-Length: 5\r\n\r\n", id="199 with a length", marks=own),
    ],
)
def test_interim_answers_do_not_disturb_the_final_one(proxy: Lab, interim: bytes) -> None:
    proxy.origin.script("/x", reply(interim + ok(b"hello", b"X-A: 1")))
    client = proxy.send(get(b"/x"))
    response = client.read_response()
    assert response.status == 200
    assert response.body == b"hello"
    assert response.all(b"x-a") == [b"1"]
    assert not response.all(b"link")  # of the final answer
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.interim-forwarded")
def test_early_hints_come_before_the_answer_does(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def handler(conn: Connection, request: Request) -> None:
        hints = b"Link: </a>\r\nLink: </b>\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        await conn.send(b"HTTP/1.1 103 Early Hints\r\n" + hints + b"\r\n")
        await gate.wait()
        await conn.send(ok(b"hello"))

    proxy.origin.script("/x", handler)
    client = proxy.send(get(b"/x"))
    head = client.read_until(b"\r\n\r\n")
    assert head == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n"
    gate.open()
    assert client.read_response().body == b"hello"
    assert client.send(get(b"/y")).read_response().status == 200


@rule("bodies.interim-forwarded")
def test_100_that_nobody_waits_for_is_not_passed_on(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello")))
    response = proxy.ask(get(b"/x"))
    assert response.body == b"hello"
    assert not response.interim


@rule("bodies.interim-survived")
@own
def test_flood_of_interim_answers_is_bounded(proxy: Lab) -> None:
    async def flood(conn: Connection, request: Request) -> None:
        while True:
            await conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    proxy.origin.script("/x", flood)
    assert proxy.ask(get(b"/x")).status == 502
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)


# -- early answers


@rule("bodies.early-answer")
@pytest.mark.parametrize("after", [0, 100_000], ids=["before the body", "within the body"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("then", ["stalls", "half-closes", "closes"])
def test_early_answer_reaches_the_client_and_stops_the_upload(
    proxy: Lab, after: int, framing: str, then: str
) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large"

    async def handler(conn: Connection, request: Request) -> None:
        await request.read(after)
        await conn.send(refusal)
        if then == "closes":
            conn.close()
            return
        if then == "half-closes":
            conn.half_close()
        await conn.gone()

    proxy.origin.script("/x", handler)
    size = 64 << 20
    client = proxy.connect()
    if framing == "length":
        client.send(get(b"/x", b"Content-Length: %d" % size, method=b"POST"))
        sent = client.pump(bytes(size))
    else:
        client.send(get(b"/x", b"Transfer-Encoding: chunked", method=b"POST"))
        sent = client.pump(chunks(bytes(1 << 20)) * 64)
    assert sent < size
    response = client.read_response()
    if then != "closes" or response.status != 502:
        # A close with bytes unread resets the connection, and TCP may lose the answer on its way.
        assert response.status == 413
        assert response.body == b"too large"
    assert client.read_to_end() == b""
    request = proxy.origin.seen("/x")[0]
    proxy.origin.wait_closed(request.conn)
    assert not request.complete
    assert request.is_last
