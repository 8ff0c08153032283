"""The downstream's answer is cut at every byte, and no cut answer may look complete to a strict client."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest

from ..backends import Backend, Server
from ..origin import Connection, Origin
from ..parse import MalformedError, TruncatedError
from ..recorded import Request
from ..wire import Client, Response

SETTINGS = """
[downstreams.buffer]
prefix = "/buffer"
url = "http://$ORIGIN"
delivery = "buffer"
[downstreams.transform]
prefix = "/transform"
url = "http://$ORIGIN"
delivery = "transform"
transform = "suite_hook:upper"
[downstreams.stream]
url = "http://$ORIGIN"
"""
_GZIP = gzip.compress(b"hello, world, hello, world", mtime=0)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 12\r\n\r\nhello, world",
    "chunked": _CHUNKED + b"Trailer: X-T\r\n\r\n5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\nX-T: late\r\n\r\n",
    "gzip-length": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_GZIP)
    + _GZIP,
    "gzip-chunked": _CHUNKED + b"Content-Encoding: gzip\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_GZIP), _GZIP),
    "interim": b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.fixture
def server(
    backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Server]]:
    """The server, in front of a downstream that sends what the target asks for: `?answer&bytes&how`."""
    used: list[Server] = []

    def start() -> Server:
        used.append(backend.server(SETTINGS, origin, tmp_path_factory.getbasetemp()))
        return used[0]

    async def cut(conn: Connection, request: Request) -> None:
        await request.read()
        name, size, how = request.target.decode().partition("?")[2].split("&")
        await conn.send(ANSWERS[name][: int(size)])
        conn.reset() if how == "reset" else conn.close()

    for target in ("/cut", "/buffer/cut", "/transform/cut"):
        origin.script(target, cut)
    yield start
    for one in used:
        assert "Traceback" not in (log := one.new_log()), log[-4000:]


def looks_complete(client: Client, method: bytes) -> Response | None:
    """The answer when a strict client would take it for whole, None when it shows that it is cut."""
    try:
        response = client.read_response(method)
    except (TruncatedError, MalformedError):
        return None
    # Without length and chunks the end is the end, unless it is a reset (RFC 9112 8).
    if response.framing.kind == "close" and client.was_reset:
        return None
    return response


def ask(server: Server, target: str, version: str) -> Response | None:
    with server.connect() as client:
        client.send(f"GET {target} HTTP/{version}\r\nHost: proxy\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        return looks_complete(client, b"GET")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("name", ANSWERS)
def test_every_cut_of_an_answer_is_visible(
    server: Callable[[], Server], name: str, how: str, version: str
) -> None:
    for size in range(len(ANSWERS[name])):
        response = ask(server(), f"/cut?{name}&{size}&{how}", version)
        assert response is None or response.status == 502, f"cut at {size}: {response!r}"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("delivery", ["buffer", "transform"])
@pytest.mark.parametrize("name", ["length", "chunked"])
def test_every_cut_is_visible_when_answers_are_kept_or_changed(
    server: Callable[[], Server], name: str, delivery: str, version: str
) -> None:
    for size in range(len(ANSWERS[name])):
        response = ask(server(), f"/{delivery}/cut?{name}&{size}&close", version)
        assert response is None or response.status == 502, f"cut at {size}: {response!r}"
        assert delivery != "buffer" or response is not None, f"cut at {size}: there was time for a 502"


def test_cut_in_the_head_is_a_bad_gateway(server: Callable[[], Server]) -> None:
    """Nothing was sent yet, so the client gets an answer that says what happened."""
    answer = ANSWERS["length"]
    for size in range(answer.index(b"\r\n\r\n") + 4):
        response = ask(server(), f"/cut?length&{size}&close", "1.1")
        assert response is not None, f"cut at {size}"
        assert response.status == 502, f"cut at {size}"


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("name", ["chunked", "gzip-chunked"])
def test_cut_chunks_end_in_a_reset_for_http10(server: Callable[[], Server], name: str, how: str) -> None:
    """An HTTP/1.0 client knows no chunks: the end of the connection is all that it can go by."""
    answer = ANSWERS[name]
    for size in range(answer.index(b"\r\n\r\n") + 4, len(answer)):
        with server().connect() as client:
            client.send(f"GET /cut?{name}&{size}&{how} HTTP/1.0\r\n\r\n".encode())
            got = client.read_to_end()
            assert client.was_reset or got.startswith(b"HTTP/1.1 502 "), f"cut at {size}: {got!r}, then a FIN"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_whole_answer_is_whole(server: Callable[[], Server], name: str, version: str) -> None:
    """What is judged above is the cut: uncut, the same answers come through."""
    response = ask(server(), f"/cut?{name}&{len(ANSWERS[name])}&close", version)
    assert response is not None
    assert response.status == 200
    assert response.body in (b"hello, world", b"hi", _GZIP)
