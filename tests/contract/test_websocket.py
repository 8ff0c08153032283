"""Chapter websocket, the handshake: checked, then judged by the downstream."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..frames import KEY, TEXT, accept, accepting, frame, upgrade
from ..origin import Connection
from ..parse import TruncatedError
from ..recorded import Request
from ..scripts import ok, reply
from .lab import Lab, get, own, rule
from .settings import WEBSOCKETS
from .tunnel import handshake, mirror

ProxyWith = Callable[[str], Lab]

BAD = {
    "no key": handshake(b"/ws").replace(b"Sec-WebSocket-Key: " + KEY + b"\r\n", b""),
    "two keys": handshake(b"/ws", b"Sec-WebSocket-Key: " + KEY),
    "short key": handshake(b"/ws", key=b"c2hvcnQ="),
    "key that is no base64": handshake(b"/ws", key=b"!!!!!!!!!!!!!!!!!!!!!!=="),
    "empty key": handshake(b"/ws", key=b""),
    "POST": handshake(b"/ws", method=b"POST"),
}


@rule("websocket.bad-handshake")
@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_bad_handshake_is_no_upgrade(proxy: Lab, raw: bytes) -> None:
    proxy.origin.script("/ws", accepting())
    response = proxy.ask(raw)
    assert response.status == 400
    proxy.barrier()
    assert not proxy.others()


@rule("websocket.bad-handshake")
def test_upgrade_on_http10_is_ignored(proxy: Lab) -> None:
    request = proxy.forwarded(handshake(b"/ws").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert not request.all(b"upgrade")


@rule("websocket.bad-version")
@pytest.mark.parametrize("version", [b"12", b"8", b"0", b"13, 8", b"x", b""])
def test_other_version_is_told_which_one(proxy: Lab, version: bytes) -> None:
    response = proxy.ask(handshake(b"/ws", version=version))
    assert response.status == 426
    assert response.all(b"sec-websocket-version") == [b"13"]
    proxy.barrier()
    assert not proxy.others()


@rule("websocket.handshake-passed-on", "websocket.extensions", "websocket.subprotocol")
def test_handshake_passes_both_ways(proxy: Lab) -> None:
    answered = [
        b"Sec-WebSocket-Protocol: chat",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"Set-Cookie: a=b",
    ]
    proxy.origin.script("/ws", accepting(mirror, *answered))
    offered = [
        b"Sec-WebSocket-Protocol: superchat, chat",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        b"Sec-WebSocket-Extensions: x-other",
        b"Origin: https://client.example",
        b"Cookie: session=1",
    ]
    client = proxy.send(handshake(b"/ws?a=b", *offered))
    response = client.read_head()
    request = proxy.origin.seen("/ws")[0]
    assert request.target == b"/ws?a=b"
    assert request.all(b"sec-websocket-key") == [KEY]
    assert request.all(b"sec-websocket-version") == [b"13"]
    assert request.all(b"upgrade") == [b"websocket"]
    assert b"upgrade" in b",".join(request.all(b"connection")).lower()
    assert all(proxy.holds(request.lines, line) for line in offered)
    assert response.status == 101
    assert response.one(b"sec-websocket-accept") == accept(KEY)
    assert (response.one(b"upgrade") or b"").lower() == b"websocket"
    assert b"upgrade" in (response.one(b"connection") or b"").lower()
    assert all(proxy.holds(response.head.split(b"\r\n"), line) for line in answered)
    compressed = frame(TEXT, b"\xf2H\xcd\xc9\xc9\x07\x00", rsv=4)
    client.send(compressed)
    assert client.read_exactly(len(compressed)) == compressed


@rule("websocket.refusal-relayed")
@pytest.mark.parametrize(
    "status", [b"200 OK", b"302 Found", b"401 Unauthorized", b"403 No", b"404 No", b"503 Busy"]
)
def test_refusal_of_the_downstream_is_relayed(proxy: Lab, status: bytes) -> None:
    answer = ok(b"not today", b"WWW-Authenticate: Basic", b"Location: /login").replace(b"200 OK", status)
    proxy.origin.script("/ws", reply(answer))
    client = proxy.send(handshake(b"/ws"))
    response = client.read_response()
    assert response.status == int(status[:3])
    assert response.body == b"not today"
    assert response.one(b"location") == b"/login"
    assert not response.all(b"upgrade")


@rule("websocket.accept-checked")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param((accept(KEY), b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="), id="another accept"),
        pytest.param((b"Sec-WebSocket-Accept: " + accept(KEY) + b"\r\n", b""), id="no accept"),
        pytest.param((b"Upgrade: websocket", b"Upgrade: h2c"), id="another protocol"),
        pytest.param((b"Upgrade: websocket\r\n", b""), id="no upgrade"),
    ],
)
def test_wrong_acceptance_is_a_bad_gateway(proxy: Lab, change: tuple[bytes, bytes]) -> None:
    async def handler(conn: Connection, request: Request) -> None:
        await conn.send(upgrade(request).replace(*change))
        await conn.gone()

    proxy.origin.script("/ws", handler)
    assert proxy.ask(handshake(b"/ws", b"Sec-WebSocket-Protocol: chat")).status == 502
    proxy.origin.wait_closed(proxy.origin.seen("/ws")[0].conn)


@rule("websocket.origin-policy")
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((b"Origin: https://good.example",), 101),
        ((b"Origin: https://evil.example",), 403),
        ((b"Origin: https://good.example.evil",), 403),
        ((b"Origin: null",), 403),
        ((b"Origin: https://good.example", b"Origin: https://evil.example"), 403),
        ((), 403),
    ],
)
def test_origin_policy_is_kept(proxy_with: ProxyWith, fields: tuple[bytes, ...], status: int) -> None:
    proxy = proxy_with(WEBSOCKETS)
    proxy.origin.script("/guarded/ws", accepting())
    assert proxy.send(handshake(b"/guarded/ws", *fields)).read_head().status == status
    proxy.barrier()
    assert len(proxy.others()) == (status == 101)


@rule("websocket.handshake-passed-on", "framing.upgrade-with-body")
@own
def test_bytes_behind_the_handshake_wait_for_the_101(proxy: Lab) -> None:
    gate = proxy.origin.gate()

    async def handler(conn: Connection, request: Request) -> None:
        await gate.wait()
        assert not conn._buffer, "bytes came before the 101"
        await conn.send(upgrade(request))
        await mirror(conn)

    proxy.origin.script("/ws", handler)
    early = frame(TEXT, b"early", masked=True)
    client = proxy.send(handshake(b"/ws") + early)
    proxy.origin.wait_head("/ws")
    proxy.barrier()
    gate.open()
    assert client.read_head().status == 101
    assert client.read_exactly(len(early)) == early


@rule("framing.upgrade-with-body")
def test_bytes_behind_a_refused_handshake_are_a_request_or_nothing(proxy: Lab) -> None:
    proxy.origin.script("/ws", reply(ok(b"no").replace(b"200 OK", b"403 No")))
    client = proxy.send(handshake(b"/ws") + get(b"/smuggled"))
    assert client.read_response().status == 403
    try:
        answered = client.read_response().status == 200
    except TruncatedError:
        answered = False
    proxy.barrier()
    assert len(proxy.origin.seen("/smuggled")) == answered
