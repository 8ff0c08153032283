"""Chapter failures, the taxonomy: kinds that a downstream or the proxy itself brings about. One row of the
table each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from downstream_proxy.errors import ErrorKind as Kind

from ..backends import Backend
from ..origin import Connection, Origin
from ..recorded import Request
from ..scripts import ok, reply, stall
from . import failure_reaching, test_failures_client
from .failure_cases import Case, Cases, Outcome, cut, judge_answer, log_line, prove
from .failure_places import TlsPlaces, black_hole, settings
from .failure_reaching import ask
from .lab import Lab, get, post, rule

case = Cases(list(failure_reaching.case.cases))

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# -- the request on its way out


async def leave_at_once(conn: Connection, request: Request) -> None:
    conn.reset()


@case(Kind.STALE_CONNECTION, "plain", seen=1)
def reused_and_closed(lab: Lab, target: bytes) -> Outcome:
    assert lab.ask(get(b"/plain/before")).status == 200
    return ask(lab, target, reply(b"", close=True), post(target, b"hello"))


@case(Kind.CLOSED_BEFORE_HEAD, "plain", seen=1)
def new_and_reset(lab: Lab, target: bytes) -> Outcome:
    forget_idle(lab)
    return ask(lab, target, reply(b"", reset=True), post(target, b"hello"))


@case(Kind.CLOSED_BEFORE_HEAD, "plain", attempts=2, seen=2)
def new_and_closed_twice(lab: Lab, target: bytes) -> Outcome:
    forget_idle(lab)
    return ask(lab, target, reply(b"", close=True))


@case(Kind.CLOSED_BEFORE_HEAD, "plain", attempts=2, seen=2)
def reset_within_the_head(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(b"HTTP/1.1 200 OK\r\nX-A:", reset=True))


@case(Kind.REQUEST_NOT_TAKEN, "plain", seen=1)
def reset_within_the_upload(lab: Lab, target: bytes) -> Outcome:
    forget_idle(lab)
    lab.origin.script(target, leave_at_once)
    client = lab.send(post(target, bytes(100))[:-50])
    return client.read_response()


@case(Kind.WRITE_TIMEOUT, "quick", seen=1)
def origin_that_stops_reading(lab: Lab, target: bytes) -> Outcome:
    async def deaf(conn: Connection, request: Request) -> None:
        conn.transport.pause_reading()
        await lab_gate.wait()

    lab_gate = lab.origin.gate()
    lab.origin.script(target, deaf)
    client = lab.connect()
    client.pump(post(target, bytes(32 << 20)))
    response = client.read_response()
    lab_gate.open()
    return response


def forget_idle(lab: Lab) -> None:
    """No connection of the proxy's waits for use: the next request makes a new one."""
    conns = [conn for conn in lab.origin.connections if conn.closed_at is None]
    lab.origin.drop_connections()
    for conn in conns:
        lab.origin.wait_closed(conn)
    lab.ask(get(b"/-/healthy"))


# -- the head of the answer


@case(Kind.HEAD_TIMEOUT, "quick", seen=1)
def head_that_never_comes(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, stall)


@case(Kind.HEAD_TIMEOUT, "quick", seen=1)
def head_that_drips(lab: Lab, target: bytes) -> Outcome:
    async def drip(conn: Connection, request: Request) -> None:
        for byte in ok(b"", b"X-A: " + b"x" * 1000):
            await conn.send(bytes([byte]))
            await conn.quiet(0.02)

    return ask(lab, target, drip)


@case(Kind.TOTAL_TIMEOUT, "total", seen=1)
def too_long_before_the_head(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, stall)


@case(Kind.MALFORMED_RESPONSE, "plain", seen=1)
def garbage(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(b"\x00\x01garbage\r\n\r\n"))


@case(Kind.MALFORMED_RESPONSE, "plain", seen=1)
def version_0_9(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(b"<html>hello</html>", close=True))


@case(Kind.RESPONSE_HEAD_TOO_LARGE, "plain", seen=1)
def long_head(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(ok(b"", b"X-A: " + b"x" * 100_000)))


@case(Kind.UPGRADE_FAILED, "plain", seen=1)
def switched_to_something_else(lab: Lab, target: bytes) -> Outcome:
    raw = test_failures_client.handshake(target, test_failures_client.KEY)
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: something\r\n\r\n"
    return ask(lab, target, reply(answer), raw)


# -- the body of the answer


@case(Kind.RESPONSE_INCOMPLETE, "plain", seen=1)
def cut_in_a_length(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, reply(ok(b"hello")[:-1], close=True))
    return cut(lab, get(target))


@case(Kind.RESPONSE_INCOMPLETE, "plain", seen=1)
def reset_in_chunks(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, reply(CHUNKED + b"5\r\nhello\r\n", reset=True))
    return cut(lab, get(target))


@case(Kind.RESPONSE_INCOMPLETE, "buffer", seen=1)
def cut_while_buffered(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(ok(b"hello")[:-1], close=True))


async def bad_chunk_later(conn: Connection, request: Request) -> None:
    await conn.send(CHUNKED + b"5\r\nhello\r\n")
    await conn.quiet(0.1)
    await conn.send(b"zz\r\n")
    await conn.gone()


@case(Kind.MALFORMED_RESPONSE_BODY, "plain", seen=1)
def not_a_chunk_after_the_head(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, bad_chunk_later)
    return cut(lab, get(target))


@case(Kind.MALFORMED_RESPONSE_BODY, "plain", seen=1)
def not_a_chunk_with_the_head(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(CHUNKED + b"zz\r\n"))


@case(Kind.READ_IDLE_TIMEOUT, "quick", seen=1)
def silence_within_the_body(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, reply(ok(b"hello")[:-1]))
    return cut(lab, get(target))


@case(Kind.TOTAL_TIMEOUT, "total", seen=1)
def too_long_within_the_body(lab: Lab, target: bytes) -> Outcome:
    async def drip(conn: Connection, request: Request) -> None:
        await conn.send(CHUNKED)
        while True:
            await conn.send(b"1\r\na\r\n")
            await conn.quiet(0.02)

    lab.origin.script(target, drip)
    return cut(lab, get(target))


@case(Kind.RESPONSE_TOO_LARGE_TO_BUFFER, "buffer", seen=1)
def over_the_buffer(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, reply(ok(bytes(1001))))


@case(Kind.TRANSFORM_FAILED, "upper", seen=1)
def hook_that_raises(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script(target, reply(ok(b"!!fail!!")))
    return cut(lab, get(target))


# -- the proof


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The settings of a server before every failing downstream."""
    tls = TlsPlaces(tmp_path_factory.mktemp("tls"))
    with black_hole() as hole:
        yield settings(hole, tls)
    tls.stop()


@rule("failures.one-table", "isolation.problem-documents", "isolation.problems-tell-nothing")
@rule("failures.certificate")
@case.parametrize()
def test_downstream_failure_tells_the_same_everywhere(
    case: Case, proxy_with: Callable[[str], Lab], places: str
) -> None:
    prove(case, proxy_with(places))


@rule("failures.certificate")
def test_trusted_certificate_serves(places: str, proxy_with: Callable[[str], Lab]) -> None:
    """So that the refusals above are for the fault they name."""
    assert proxy_with(places).ask(get(b"/trusted/x")).status == 200


@rule("failures.certificate")
def test_client_certificate_missed_after_the_handshake_is_a_bad_gateway(
    places: str, proxy_with: Callable[[str], Lab]
) -> None:
    """In TLS 1.3 the client's handshake ends before the server has looked at what it did not send."""
    response = proxy_with(places).ask(post(b"/client-cert-13/x", b"hello"))
    assert response.status == 502
    assert response.one(b"proxy-status") in (
        b"downstream-proxy; error=connection_terminated",
        b"downstream-proxy; error=tls_protocol_error",
    )


@rule("failures.one-table")
def test_every_kind_has_a_case(backend: Backend) -> None:
    """Some kinds need servers of their own, and have tests of their own beside the cases."""
    if backend.url is not None:
        pytest.skip("says nothing about the server")
    apart = {
        Kind.FORBIDDEN,
        Kind.INTERNAL,
        Kind.OVERLOADED,
        Kind.RATE_LIMITED,
        Kind.RATE_LIMIT_UNAVAILABLE,
    }
    cases = {case.kind for case in case.cases + test_failures_client.case.cases}
    assert cases | apart == set(Kind)
    assert not cases & apart


@rule("failures.one-table", "isolation.problems-tell-nothing")
def test_fault_of_our_own_is_told_as_such(
    backend: Backend, origin: Origin, places: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lab = Lab(backend.start(places, origin, tmp_path_factory.getbasetemp()), origin)
    try:
        response = lab.ask(get(b"/mistake/x"))
        line = log_line(lab, 0, "/mistake/x", "downstream=mistake ")
        # The traceback is for us, and not for the client.
        assert "Traceback" in lab.server.new_log()
        judge_answer(Kind.INTERNAL, response)
        assert " 500 " in line
        assert "error=internal" in line
        assert b'downstream="mistake",kind="internal"' in lab.ask(get(b"/-/metrics")).body
    finally:
        lab.server.new_log()
        lab.server.stop()
