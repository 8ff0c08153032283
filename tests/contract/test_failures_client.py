"""Chapter failures, the taxonomy: kinds that a client brings about. One row of the table each."""

from __future__ import annotations

from collections.abc import Callable

from downstream_proxy.errors import ErrorKind as Kind

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, reply, stall
from ..wire import Response
from .failure_cases import Case, Cases, Left, Outcome, judge_answer, log_line, prove, until_head
from .lab import Lab, chunked, get, post, rule

case = Cases([])

SETTINGS = """
via = "suite"
[limits]
max_request_head = 2048
max_header_fields = 20
max_target = 200
max_request_body = 10000
[timeouts]
request_head = 0.3
request_body_idle = 0.3
response_idle = 0.3
[downstreams.api]
prefix = "/api"
url = "http://$ORIGIN"
[downstreams.ws]
prefix = "/ws"
url = "http://$ORIGIN"
websocket_origins = ["https://good.example"]
[downstreams.one]
prefix = "/one"
url = "http://$ORIGIN"
pool = { max_connections = 1 }
"""


def refused(lab: Lab, raw: bytes) -> Response:
    """The answer to bytes that never become a request, which ends the connection."""
    client = lab.send(raw)
    response = client.read_response()
    assert client.ended()
    return response


@case(Kind.MALFORMED_REQUEST)
def space_before_the_colon(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, b"X-A : b"))


@case(Kind.MALFORMED_REQUEST)
def another_protocol(lab: Lab, _: bytes) -> Outcome:
    return refused(lab, b"\x16\x03\x01\x00\xc8\x01\x00")


@case(Kind.REQUEST_HEAD_TOO_LARGE)
def many_fields(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, *[b"X-A: b"] * 30))


@case(Kind.REQUEST_HEAD_TOO_LARGE)
def long_field(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, b"X-A: " + b"b" * 3000))


@case(Kind.TARGET_TOO_LONG)
def long_target(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target + b"x" * 300))


@case(Kind.REQUEST_HEAD_TIMEOUT)
def head_that_stops(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target)[:-2])


@case(Kind.REQUEST_HEAD_TIMEOUT)
def head_that_drips(lab: Lab, target: bytes) -> Outcome:
    client = lab.connect()
    raw = get(target, b"X-A: " + b"b" * 100)
    assert client.drip(raw, 0.02) < len(raw)
    return client.read_response()


@case(Kind.VERSION_NOT_SUPPORTED)
def version_3(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, version=b"3.0"))


@case(Kind.TRANSFER_CODING_NOT_IMPLEMENTED)
def gzip_chunked(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, b"Transfer-Encoding: gzip, chunked", method=b"POST"))


@case(Kind.METHOD_NOT_ALLOWED)
def trace(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, method=b"TRACE"))


@case(Kind.METHOD_NOT_IMPLEMENTED)
def connect(lab: Lab, _: bytes) -> Outcome:
    return refused(lab, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")


@case(Kind.EXPECTATION_FAILED)
def unknown_expectation(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, get(target, b"Expect: the-best"))


@case(Kind.TARGET_ESCAPES_PREFIX)
def two_dots(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(get(b"/api/.." + target))


@case(Kind.NO_ROUTE)
def no_prefix(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(get(target))


@case(Kind.LOOP_DETECTED, "api", seen=0)
def our_own_via(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(get(target, b"Via: 1.1 other, 1.1 suite"))


def handshake(target: bytes, *fields: bytes, version: bytes = b"13") -> bytes:
    return get(
        target,
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: " + version,
        *fields,
    )


KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@case(Kind.BAD_WEBSOCKET_HANDSHAKE, "ws", seen=0)
def no_key(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(handshake(target))


@case(Kind.WEBSOCKET_VERSION, "ws", seen=0)
def old_version(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(handshake(target, KEY, version=b"8"))


@case(Kind.WEBSOCKET_ORIGIN, "ws", seen=0)
def other_origin(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(handshake(target, KEY, b"Origin: https://bad.example"))


# -- the body


@case(Kind.MALFORMED_REQUEST_BODY, "api")
def not_a_chunk(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(chunked(target, b"hello", end=b"zz\r\n"))


@case(Kind.REQUEST_BODY_TOO_LARGE)
def announced_too_large(lab: Lab, target: bytes) -> Outcome:
    return refused(lab, post(target, bytes(10_001)))


@case(Kind.REQUEST_BODY_TOO_LARGE, "api")
def chunks_too_large(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(chunked(target, bytes(6000), bytes(6000)))


@case(Kind.REQUEST_BODY_TIMEOUT, "api", seen=1)
def body_that_stops(lab: Lab, target: bytes) -> Outcome:
    return lab.ask(post(target, b"hello")[:-1])


@case(Kind.REQUEST_BODY_TIMEOUT, "api", seen=1)
def body_that_drips(lab: Lab, target: bytes) -> Outcome:
    raw = post(target, bytes(100))
    client = lab.send(raw[:-100])
    assert client.drip(raw[-100:], 0.1) < 100
    return client.read_response()


@case(Kind.REQUEST_TRAILERS_TOO_LARGE, "api")
def long_trailers(lab: Lab, target: bytes) -> Outcome:
    end = b"0\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n"
    return lab.ask(chunked(target, b"hello", end=end))


# -- leaving


@case(Kind.CLIENT_GONE, "one", seen=0)
def left_the_queue(lab: Lab, target: bytes) -> Outcome:
    gate = lab.origin.gate()

    async def hold(conn: Connection, request: Request) -> None:
        await gate.wait()
        await conn.send(ok(b"first"))

    lab.origin.script("/one/first", hold)
    first = until_head(lab, get(b"/one/first"))
    lab.send(get(target)).close()
    lab.ask(get(b"/-/healthy"))
    gate.open()
    assert first.read_response().body == b"first"
    return Left


@case(Kind.CLIENT_GONE, "api", seen=1)
def left_before_the_head(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, stall)
    until_head(lab, get(target)).close()
    return Left


@case(Kind.CLIENT_GONE, "api", seen=1)
def left_uploading(lab: Lab, target: bytes) -> Outcome:
    until_head(lab, post(target, b"hello")[:-1]).close()
    return Left


@case(Kind.CLIENT_GONE, "api", seen=1)
def left_within_the_answer(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, reply(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
    client = lab.send(get(target))
    client.read_until(b"hello")
    client.reset()
    return Left


@case(Kind.RESPONSE_NOT_TAKEN, "api", seen=1)
def stopped_reading(lab: Lab, target: bytes) -> Outcome:
    async def endless(conn: Connection, request: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        while True:
            await conn.send(bytes(1 << 20))

    lab.origin.script(target, endless)
    client = lab.send(get(target), receive_buffer=65536)
    client.read_until(b"\r\n\r\n")
    lab.origin.wait_closed(lab.origin.seen(target)[0].conn)
    client.read_to_end()
    assert client.was_reset
    return Left


@case(Kind.CLIENT_GONE, "ws", seen=1)
def left_before_the_upgrade(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, stall)
    until_head(lab, handshake(target, KEY, b"Origin: https://good.example")).close()
    return Left


@rule("failures.one-table", "isolation.problem-documents", "isolation.problems-tell-nothing")
@case.parametrize()
def test_client_failure_tells_the_same_everywhere(case: Case, proxy_with: Callable[[str], Lab]) -> None:
    prove(case, proxy_with(SETTINGS))


@rule("failures.one-table")
def test_peer_outside_the_allowed_networks_is_forbidden(proxy_with: Callable[[str], Lab]) -> None:
    lab = proxy_with('[admin]\nallow = ["10.0.0.0/8"]\n')
    judge_answer(Kind.FORBIDDEN, lab.ask(get(b"/-/metrics")))
    assert " 403 " in log_line(lab, 0, "error=forbidden")


@rule("failures.one-table", "limits.inflight")
def test_too_many_requests_in_flight_is_overload(proxy_with: Callable[[str], Lab]) -> None:
    lab = proxy_with("[limits]\nmax_inflight = 1\n")
    lab.origin.script("/first", stall)
    first = until_head(lab, get(b"/first"))
    logged = len(lab.server.log())
    judge_answer(Kind.OVERLOADED, lab.ask(get(b"/second")))
    conn = lab.origin.seen("/first")[0].conn
    first.close()
    lab.origin.wait_closed(conn)
    assert " 503 " in log_line(lab, logged, "error=overloaded")
    assert b'kind="overloaded"' in lab.ask(get(b"/-/metrics")).body
    assert not lab.origin.seen("/second")
