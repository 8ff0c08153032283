"""Chapter bodies: a cut is always visible, and surplus bytes reach nobody."""

from __future__ import annotations

import pytest

from ..parse import TruncatedError
from ..scripts import ok, reply
from ..wire import Client, Response
from .lab import Lab, chunked, chunks, get, own, post, rule

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read_or_cut(client: Client, method: bytes = b"GET") -> Response | None:
    """The whole answer, or None when the connection was cut within it."""
    try:
        return client.read_response(method)
    except TruncatedError:
        return None


def bad_gateway(proxy: Lab) -> tuple[int, ...]:
    """Somebody else's may choose its 5xx: what counts is that nothing cut looks complete."""
    return (500, 502, 503, 504) if proxy.foreign else (502,)


def cuts(answer: bytes, *, head: bool) -> range:
    end = answer.index(b"\r\n\r\n") + 4
    return range(1, end) if head else range(end, len(answer))


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("how", ["close", pytest.param("reset", marks=rule("failures.reset-in-body"))])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"hello, world"), id="length", marks=rule("bodies.cut-length")),
        pytest.param(
            CHUNKED + chunks(b"hello", b", world") + b"0\r\n\r\n",
            id="chunked",
            marks=rule("bodies.cut-chunked"),
        ),
        pytest.param(
            CHUNKED + chunks(b"hello") + b"0\r\nX-T: a\r\n\r\n",
            id="trailers",
            marks=rule("bodies.cut-chunked"),
        ),
    ],
)
def test_cut_at_every_byte_of_the_body_is_visible(
    proxy: Lab, version: bytes, how: str, answer: bytes
) -> None:
    for at in cuts(answer, head=False):
        proxy.origin.script("/x", reply(answer[:at], close=how == "close", reset=how == "reset"))
        client = proxy.send(get(b"/x", version=version))
        response = read_or_cut(client)
        if response is not None and response.status == 200 and response.framing.kind == "close":
            assert client.was_reset, f"cut at {at}: a close-delimited answer ended cleanly"
            continue
        assert response is None or response.status in bad_gateway(proxy), (
            f"cut at {at} looks complete: {response!r}"
        )
        client.close()


@rule("failures.reset-before-head")
@pytest.mark.parametrize("how", ["close", "reset"])
def test_cut_at_every_byte_of_the_head_is_a_bad_gateway(proxy: Lab, how: str) -> None:
    answer = ok(b"hello", b"X-A: b")
    for at in cuts(answer, head=True):
        proxy.origin.script("/x", reply(answer[:at], close=how == "close", reset=how == "reset"))
        assert proxy.ask(post(b"/x", b"hello")).status == 502, f"cut at {at}"


@rule("bodies.cut-chunked")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5\r\nhelloXX0\r\n\r\n", id="data too long"),
        pytest.param(b"5\r\nhello\r\nzz\r\n\r\n", id="no size"),
        pytest.param(b"5\r\nhello\r\n-1\r\n\r\n", id="negative size"),
        pytest.param(b"5\r\nhello\n0\n\n", id="bare LF", marks=own),
        pytest.param(b"5\r\nhello\r\n" + b"f" * 20 + b"\r\n", id="overflow"),
        pytest.param(b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", id="bad trailer", marks=own),
        pytest.param(b"5\r\nhello\r\n1;" + b"x" * 200_000, id="endless extension", marks=own),
        pytest.param(b"5\r\nhello\r\n0\r\n" + b"X-T: x\r\n" * 50_000, id="endless trailers", marks=own),
    ],
)
def test_malformed_chunks_are_visible(proxy: Lab, body: bytes) -> None:
    proxy.origin.script("/x", reply(CHUNKED + body))
    response = read_or_cut(proxy.send(get(b"/x")))
    assert response is None or response.status in bad_gateway(proxy)
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)


@rule("bodies.longer-than-announced")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"hello") + b"surplus", id="length"),
        pytest.param(CHUNKED + chunks(b"hello") + b"0\r\n\r\nsurplus", id="chunked"),
        pytest.param(ok(b"hello") + ok(b"for another"), id="another answer"),
        pytest.param(ok(b"hello") + b"\r\n", id="an empty line", marks=own),
    ],
)
def test_surplus_bytes_are_dropped_with_their_connection(proxy: Lab, answer: bytes) -> None:
    proxy.origin.script("/x", reply(answer))
    client = proxy.send(get(b"/x"))
    assert client.read_response().body == b"hello"
    for _ in range(3):
        assert client.send(get(b"/y")).read_response().body.startswith((b"GET /y ", b"GET /y? "))
    assert proxy.origin.seen("/x")[0].is_last


@rule("bodies.client-cut")
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(get(b"/x", b"Content-Length: 10", method=b"POST") + b"hello", id="length"),
        pytest.param(get(b"/x", b"Content-Length: 10", method=b"POST"), id="length, nothing"),
        pytest.param(chunked(b"/x", b"hello", end=b""), id="after a chunk"),
        pytest.param(chunked(b"/x", b"hello", end=b"5\r\nhe"), id="in a chunk"),
        pytest.param(chunked(b"/x", b"hello", end=b"5"), id="in a size"),
        pytest.param(chunked(b"/x", b"hello", end=b"0\r\n"), id="before the last line"),
    ],
)
def test_cut_upload_never_looks_complete_downstream(proxy: Lab, how: str, raw: bytes) -> None:
    client = proxy.send(raw)
    if proxy.foreign:  # may hold an upload back until it is whole
        proxy.barrier()
        client.reset() if how == "reset" else client.close()
        proxy.barrier()
        proxy.never_complete()
        return
    request = proxy.origin.wait_head("/x")
    if b"hello" in raw:
        proxy.origin.wait_body("/x", 5)
    client.reset() if how == "reset" else client.close()
    proxy.origin.wait_closed(request.conn)
    assert not request.complete
    proxy.barrier()
    assert len(proxy.others()) == 1
