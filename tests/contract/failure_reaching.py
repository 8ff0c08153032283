"""Failures before a request is sent: waiting for a place, finding the downstream, connecting, TLS.

Cases only; test_failures_downstream.py proves them.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

from downstream_proxy.errors import ErrorKind as Kind

from ..origin import Connection, Handler
from ..recorded import Request
from ..scripts import ok, reply
from .failure_cases import Cases, Outcome, until_head
from .lab import Lab, get, post

case = Cases([])


def ask(lab: Lab, target: bytes, script: Handler | None = None, raw: bytes = b"") -> Outcome:
    if script is not None:
        lab.origin.script(target, script)
    return lab.ask(raw or get(target))


# -- waiting for a place


@contextlib.contextmanager
def held(lab: Lab, target: bytes) -> Iterator[None]:
    """A request that holds the only place of a downstream."""
    gate = lab.origin.gate()

    async def hold(conn: Connection, request: Request) -> None:
        await gate.wait()
        await conn.send(ok())

    lab.origin.script(target, hold)
    client = until_head(lab, get(target))
    yield
    gate.open()
    assert client.read_response().status == 200


@case(Kind.QUEUE_FULL, "full", seen=0)
def no_room_in_the_queue(lab: Lab, target: bytes) -> Outcome:
    with held(lab, b"/full/first"):
        return ask(lab, target)


@case(Kind.QUEUE_TIMEOUT, "single", seen=0)
def waited_too_long(lab: Lab, target: bytes) -> Outcome:
    with held(lab, b"/single/first"):
        return ask(lab, target)


@case(Kind.CIRCUIT_OPEN, "breaker", seen=0)
def left_alone_after_a_failure(lab: Lab, target: bytes) -> Outcome:
    lab.origin.script("/breaker/first", reply(b"", close=True))
    assert lab.ask(post(b"/breaker/first", b"x")).status == 502
    return ask(lab, target)


# -- reaching the downstream: any method may try again when nobody was reached


@case(Kind.DNS_ERROR, "dns", attempts=2)
def unknown_name(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.DNS_TIMEOUT, "slow-dns")
def lookup_that_hangs(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.CONNECTION_REFUSED, "refused", attempts=2)
def nobody_listens(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.CONNECTION_REFUSED, "refused", attempts=2)
def nobody_listens_for_a_post(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, raw=post(target, b"hello"))


@case(Kind.UNREACHABLE, "unreachable", attempts=2)
def no_way_there(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.CONNECT_TIMEOUT, "hole")
def full_listen_queue(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.ADDRESS_PROHIBITED, "private", seen=0)
def private_address(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.OUT_OF_DESCRIPTORS, "plain", seen=0)
def no_descriptor(lab: Lab, target: bytes) -> Outcome:
    process = lab.server.process
    assert process is not None
    # Idle connections would serve without a new descriptor; the answer behind it comes over one that is gone.
    lab.origin.drop_connections()
    client = lab.send(get(b"/-/healthy"))
    client.read_response()
    limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    least = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        assert least > 3
        return client.send(get(target)).read_response()
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)


@case(Kind.TLS_CERTIFICATE, "expired")
def expired(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.TLS_CERTIFICATE, "wrong-host")
def wrong_host(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.TLS_CERTIFICATE, "unknown-ca")
def unknown_authority(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target, raw=post(target, b"hello"))


@case(Kind.TLS_PROTOCOL, "client-cert")
def no_client_certificate(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)


@case(Kind.TLS_PROTOCOL, "no-tls")
def no_tls_there(lab: Lab, target: bytes) -> Outcome:
    return ask(lab, target)
