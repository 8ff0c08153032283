"""Chapter framing, beyond its examples: where messages end, on both sides of the proxy."""

from __future__ import annotations

import pytest

from ..parse import values
from ..scripts import ok, reply
from .lab import Lab, chunked, chunks, get, own, post, rule, should

UPLOAD = (
    get(b"/x", b"Transfer-Encoding: chunked", b"Trailer: X-T", method=b"POST")
    + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-T: late\r\n\r\n"
)


@rule("framing.one-framing")
def test_chunked_upload_is_framed_anew(proxy: Lab) -> None:
    request = proxy.forwarded(UPLOAD)
    assert request.body == b"hello!"
    assert len(request.all(b"content-length") + request.all(b"transfer-encoding")) == 1


@rule("framing.trailers-dropped", "framing.chunk-extensions")
@own
def test_extensions_and_trailers_of_an_upload_are_dropped(proxy: Lab) -> None:
    request = proxy.forwarded(UPLOAD)
    assert request.framing.trailers == []
    assert b"ext" not in request.raw


@rule("framing.one-framing")
@pytest.mark.parametrize("length", [0, 5, 15])
def test_length_beside_a_coding_frames_nothing(proxy: Lab, length: int) -> None:
    """Ours refuses; RFC 9112 6.1 also allows to read by the coding alone and to drop the length."""
    inner = get(b"/smuggled")
    how = (b"Content-Length: %d" % length, b"Transfer-Encoding: chunked")
    client = proxy.send(get(b"/x", *how, method=b"POST") + chunks(b"hello") + b"0\r\n\r\n" + inner)
    assert client.read_response().status in (200, 400)
    proxy.barrier()
    for request in proxy.origin.seen("/x"):
        assert request.body == b"hello"
        assert not request.all(b"content-length") or not request.all(b"transfer-encoding")
    assert not proxy.origin.seen("/smuggled"), "the connection goes on behind such a request"
    assert client.ended()


@rule("framing.one-framing")
@pytest.mark.parametrize("size", [0, 1, 65536, 200_000])
def test_upload_with_a_length_keeps_it(proxy: Lab, size: int) -> None:
    request = proxy.forwarded(post(b"/x", b"a" * size))
    assert request.all(b"content-length") == [b"%d" % size]
    assert request.all(b"transfer-encoding") == []
    assert request.body == b"a" * size


@rule("framing.one-framing")
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(ok(b"hello"), b"hello", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"hello",
            id="chunked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", b"hello", id="close-delimited", marks=own
        ),
        pytest.param(ok(b""), b"", id="empty"),
    ],
)
def test_answer_has_one_framing_and_the_next_request_works(proxy: Lab, answer: bytes, body: bytes) -> None:
    proxy.origin.script("/x", reply(answer, close=b"close" in answer))
    client = proxy.send(get(b"/x"))
    response = client.read_response()
    assert response.body == body
    assert len(response.all(b"content-length") + response.all(b"transfer-encoding")) == 1
    assert client.send(get(b"/y")).read_response().status == 200


@rule("framing.trailers-dropped")
@own
def test_trailers_of_an_answer_are_dropped(proxy: Lab) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    proxy.origin.script("/x", reply(head + b"5\r\nhello\r\n0\r\nX-T: late\r\n\r\n"))
    response = proxy.ask(get(b"/x"))
    assert response.body == b"hello"
    assert response.framing.trailers == []
    assert not response.all(b"x-t")
    assert not response.all(b"trailer")


@rule("framing.body-on-any-method")
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"X-OTHER"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_that_looks_like_a_request_is_a_body(proxy: Lab, method: bytes, framing: str) -> None:
    inner = get(b"/smuggled")
    if framing == "length":
        raw = post(b"/x", inner, method=method)
    else:
        raw = get(b"/x", b"Transfer-Encoding: chunked", method=method) + chunks(inner) + b"0\r\n\r\n"
    client = proxy.send(raw)
    status = client.read_response(method).status
    assert status < 500 or (proxy.foreign and status == 501)
    proxy.barrier()
    assert not proxy.origin.seen("/smuggled")
    assert all(request.body == inner for request in proxy.others())


@rule("framing.upgrade-with-body")
@pytest.mark.parametrize(
    "body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
def test_websocket_handshake_with_a_body_is_refused(proxy: Lab, body: bytes) -> None:
    head = get(
        b"/x",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    proxy.refused(head[:-2] + body, 400)


@rule("framing.upgrade-with-body")
@pytest.mark.parametrize("upgrade", [b"h2c", b"TLS/1.0", b"foo, bar"])
def test_other_upgrade_is_an_ordinary_request(proxy: Lab, upgrade: bytes) -> None:
    request = proxy.forwarded(post(b"/x", b"hello", b"Connection: Upgrade", b"Upgrade: " + upgrade))
    assert request.body == b"hello"
    assert not request.all(b"upgrade")
    assert b"upgrade" not in b",".join(request.all(b"connection")).lower()


@rule("framing.pipelining")
def test_pipelined_requests_are_answered_in_order(proxy: Lab) -> None:
    raw = b"".join(post(b"/p%d" % n, b"body %d" % n) for n in range(20))
    client = proxy.send(raw)
    for n in range(20):
        response = client.read_response()
        assert response.body.startswith((b"POST /p%d " % n, b"POST /p%d? " % n))
        assert response.body.endswith(b"body %d" % n)


@rule("framing.pipelining")
@own
def test_pipelined_request_waits_for_the_answer_before_it(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def slow(conn, request):  # type: ignore[no-untyped-def]
        await gate.wait()
        await conn.send(ok(b"first"))

    proxy.origin.script("/first", slow)
    client = proxy.send(get(b"/first") + get(b"/second"))
    proxy.origin.wait_head("/first")
    proxy.barrier()
    assert not proxy.origin.seen("/second")
    gate.open()
    assert client.read_response().body == b"first"
    assert client.read_response().body.startswith(b"GET /second ")


@rule("framing.pipelining")
@should
def test_bad_request_behind_a_good_one_is_refused_after_its_answer(proxy: Lab) -> None:
    client = proxy.send(get(b"/good") + b"BAD\r\n\r\n" + get(b"/smuggled"))
    assert client.read_response().status == 200
    assert client.read_response().status == 400
    assert client.ended()
    proxy.barrier()
    assert not proxy.origin.seen("/smuggled")


@rule("framing.own-version")
def test_version_is_our_own_on_both_sides(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(ok(b"hello").replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert proxy.ask(get(b"/x")).version == b"1.1"
    proxy.ask(get(b"/y", version=b"1.0"))
    assert [request.version for request in proxy.origin.seen("/y")] == [b"1.1"]


@rule("framing.keep-alive")
@pytest.mark.parametrize(
    ("raw", "stays"),
    [
        pytest.param(get(b"/x"), True, id="1.1"),
        pytest.param(get(b"/x", b"Connection: close"), False, id="1.1 close"),
        pytest.param(get(b"/x", b"Connection: CLOSE, x"), False, id="1.1 close in a list"),
        pytest.param(get(b"/x", version=b"1.0"), False, id="1.0"),
        pytest.param(
            get(b"/x", b"Connection: keep-alive", version=b"1.0"), True, id="1.0 keep-alive", marks=own
        ),
    ],
)
def test_connection_is_kept_or_closed_as_asked(proxy: Lab, raw: bytes, stays: bool) -> None:
    client = proxy.send(raw)
    response = client.read_response()
    options = b",".join(values(response.headers, b"connection")).lower()
    if stays:
        assert b"close" not in options
        assert client.send(get(b"/again")).read_response().status == 200
    else:
        assert b"close" in options or raw.startswith(b"GET /x HTTP/1.0")
        assert client.ended()


@rule("framing.keep-alive")
def test_thousand_requests_on_one_connection(proxy: Lab) -> None:
    client = proxy.connect()
    for n in range(100 if proxy.foreign else 1000):
        raw = post(b"/k", b"a" * (n % 7)) if n % 2 else chunked(b"/k", b"b" * (1 + n % 5))
        assert client.send(raw).read_response().status == 200
