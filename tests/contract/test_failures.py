"""Chapter failures, the downstream's: an answer from one table before the head, an abort after it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply, stall
from .lab import Lab, get, own, post, rule, should
from .settings import FAULTS

ProxyWith = Callable[[str], Lab]


@pytest.fixture
def faults(proxy_with: ProxyWith) -> Lab:
    return proxy_with(FAULTS)


@rule("failures.refused")
def test_refused_connection_is_a_bad_gateway(faults: Lab) -> None:
    assert faults.ask(post(b"/refused", b"hello")).status == 502


@rule("failures.dns")
def test_name_that_does_not_resolve_is_a_bad_gateway(faults: Lab) -> None:
    assert faults.ask(get(b"/dns"), timeout=20.0).status == 502


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The authority of a listener whose queue is full, so that a connection never comes about."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield f"{address[0]}:{address[1]}"
        for filler in fillers:
            filler.close()


@rule("failures.connect-timeout", "failures.one-table")
def test_connection_that_never_comes_about_is_a_timeout(proxy_with: ProxyWith, black_hole: str) -> None:
    proxy = proxy_with(f'[downstreams.hole]\nurl = "http://{black_hole}"\ntimeouts = {{ connect = 0.4 }}\n')
    began = time.monotonic()
    response = proxy.ask(get(b"/x"))
    assert response.status == 504
    assert b"error=connection_timeout" in (response.one(b"proxy-status") or b"")
    assert 0.3 < time.monotonic() - began < 3


@rule("failures.head-timeout")
@pytest.mark.parametrize("how", ["stalls", "drips"])
def test_head_that_does_not_come_in_time_is_a_timeout(faults: Lab, how: str) -> None:
    async def drip(conn: Connection, request: Request) -> None:
        await request.read()
        while True:
            for byte in ok(b"hello", b"X-A: " + b"x" * 1000):
                await conn.send(bytes([byte]))
                await conn.quiet(0.05)

    faults.origin.script("/quick/x", stall if how == "stalls" else drip)
    began = time.monotonic()
    assert faults.ask(get(b"/quick/x")).status == 504
    assert 0.3 < time.monotonic() - began < 3
    faults.origin.wait_closed(faults.origin.seen("/quick/x")[0].conn)
    assert len(faults.origin.seen("/quick/x")) == 1


@rule("failures.read-idle")
@pytest.mark.parametrize("head", [ok(b"hello")[:-3], ok(b"hello")[:-5]], ids=["within the body", "before it"])
def test_body_that_stalls_is_an_abort(faults: Lab, head: bytes) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(head)
        await conn.gone()

    faults.origin.script("/quick/x", handler)
    client = faults.send(get(b"/quick/x"))
    assert client.read_head().status == 200
    with pytest.raises(TruncatedError):
        client.read_exactly(5)
    faults.origin.wait_closed(faults.origin.seen("/quick/x")[0].conn)


@rule("failures.read-idle")
def test_body_that_keeps_coming_may_take_longer_than_the_idle_limit(faults: Lab) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(ok(b"0123456789")[:-10])
        for byte in b"0123456789":
            await conn.quiet(0.1)
            await conn.send(bytes([byte]))

    faults.origin.script("/quick/x", handler)
    assert faults.ask(get(b"/quick/x")).body == b"0123456789"


@rule("failures.total")
def test_total_deadline_before_the_head_is_a_timeout(faults: Lab) -> None:
    faults.origin.script("/total/x", stall)
    assert faults.ask(get(b"/total/x")).status == 504


@rule("failures.total")
def test_total_deadline_after_the_head_is_an_abort(faults: Lab) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await conn.send(b"1\r\na\r\n")
            await conn.quiet(0.05)

    faults.origin.script("/total/x", handler)
    with pytest.raises(TruncatedError):
        faults.ask(get(b"/total/x"))


MALFORMED = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "no digits": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnocolon\r\nContent-Length: 0\r\n\r\n",
    "empty name": b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
    "NUL": b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


# What RFC 9112 6.3 has a proxy answer with 502, and RFC 9110 15 advises; the others are grammar only.
CONFLICTS = ("two lengths", "a list of lengths", "negative length", "signed length", "length of 5,000 digits")
ADVISED = ("four digits", "no digits", "status below 100")


@rule("failures.malformed-head")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answer, id=name, marks=() if name in CONFLICTS else should if name in ADVISED else own)
        for name, answer in MALFORMED.items()
    ],
)
def test_malformed_head_is_a_bad_gateway_and_costs_its_connection(proxy: Lab, answer: bytes) -> None:
    proxy.origin.script("/x", reply(answer))
    response = proxy.ask(post(b"/x", b"hello"))
    assert response.status == 502
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)
    proxy.barrier()
    assert len(proxy.others()) == 1


@rule("failures.oversized-head")
@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"X-A: " + b"x" * 1000 + b"\r\n", id="many fields"),
        pytest.param(b"x" * 1000, id="one line"),
    ],
)
def test_endless_head_is_a_bad_gateway(proxy: Lab, piece: bytes) -> None:
    sent: list[int] = []

    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nX-B: ")
        while True:
            await conn.send(piece)
            sent.append(len(piece))

    proxy.origin.script("/x", handler)
    assert proxy.ask(get(b"/x")).status == 502
    proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)
    assert sum(sent) < 32 << 20


# -- connections that were open before


def second_time(proxy: Lab, target: str) -> Callable[[Connection, Request], object]:
    async def handler(conn: Connection, request: Request) -> None:
        if len(proxy.origin.seen(target)) == 1:
            conn.close()
        else:
            await request.read()
            await conn.send(ok(b"second"))

    proxy.origin.script(target, handler)
    return handler


@rule("failures.stale-get-retried")
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_safe_request_on_a_dying_connection_is_sent_again(proxy: Lab, method: bytes) -> None:
    proxy.barrier()
    second_time(proxy, "/x")
    assert proxy.ask(get(b"/x", method=method)).status == 200
    assert len(proxy.origin.seen("/x")) == 2


@rule("failures.post-never-twice")
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"X-OTHER"])
@pytest.mark.parametrize("body", [b"", b"hello", bytes(300_000)], ids=["empty", "short", "long"])
def test_unsafe_request_on_a_dying_connection_is_not_sent_again(
    proxy: Lab, method: bytes, body: bytes
) -> None:
    proxy.barrier()
    second_time(proxy, "/x")
    status = proxy.ask(post(b"/x", body, method=method)).status
    assert status == 502 or (proxy.foreign and status >= 400)
    proxy.barrier()
    assert len(proxy.origin.seen("/x")) == 1


@rule("failures.post-never-twice")
@own
def test_body_that_was_touched_is_not_sent_again(proxy: Lab) -> None:
    proxy.barrier()
    second_time(proxy, "/x")
    assert proxy.ask(post(b"/x", b"hello", method=b"PUT")).status == 502
    assert len(proxy.origin.seen("/x")) == 1


@rule("failures.restart")
def test_closed_idle_connections_cost_nothing(proxy: Lab) -> None:
    for _ in range(5):
        proxy.barrier()
        proxy.origin.drop_connections()
        for n in range(5):
            assert proxy.ask(get(b"/x")).status == 200
            assert proxy.ask(post(b"/x", b"%d" % n)).status == 200


@rule("failures.waiting-bytes", "isolation.no-crossed-answers")
def test_connection_with_bytes_waiting_is_not_used(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(ok(b"hello"))
        await gate.wait()
        await conn.send(ok(b"poison"))
        await conn.gone()

    proxy.origin.script("/x", handler)
    assert proxy.ask(get(b"/x")).body == b"hello"
    gate.open()
    if not proxy.foreign:  # RFC 9112 9.2 only advises to close it
        proxy.origin.wait_closed(proxy.origin.seen("/x")[0].conn)
    for _ in range(3):
        assert proxy.ask(get(b"/y")).body.startswith((b"GET /y ", b"GET /y? "))


# -- one table

TABLE = [
    ("/refused", None, 502, b"connection_refused"),
    ("/quick/x", stall, 504, b"http_response_timeout"),
    ("/total/x", stall, 504, b"http_response_timeout"),
    ("/once/x", reply(b"", close=True), 502, b"connection_terminated"),
    ("/x", reply(b"nonsense\r\n\r\n"), 502, b"http_protocol_error"),
    ("/y", reply(ok(b"", b"X-A: " + b"x" * 100_000)), 502, b"http_response_header_section_size"),
    ("/private/x", None, 502, b"destination_ip_prohibited"),
]


@rule("failures.one-table", "isolation.problem-documents")
@pytest.mark.parametrize(
    ("target", "script", "status", "error"), TABLE, ids=[row[3].decode() + row[0] for row in TABLE]
)
def test_failure_gives_status_proxy_status_and_problem_document(
    faults: Lab, target: str, script: Callable[..., object] | None, status: int, error: bytes
) -> None:
    if script is not None:
        faults.origin.script(target, script)  # type: ignore[arg-type]
    response = faults.ask(get(target.encode()))
    assert response.status == status
    proxy_status = response.one(b"proxy-status") or b""
    assert b"error=" + error in proxy_status
    assert response.one(b"content-type") == b"application/problem+json"
    document = json.loads(response.body)
    assert document["status"] == status
    assert document["type"]
    assert document["title"]
    assert document["request_id"].encode() == response.one(b"x-request-id")
    faults.barrier()
    kind = document["type"].rpartition(":")[2]
    assert f"error={kind}" in faults.server.log()
    assert kind.encode() in faults.ask(get(b"/-/metrics")).body
