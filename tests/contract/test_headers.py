"""Chapter headers, beyond its examples: which fields cross, both ways, and which bytes they have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..parse import Pairs
from ..scripts import ok, reply
from .lab import Lab, get, own, rule, should
from .settings import ROUTES, TIGHT

ProxyWith = Callable[[str], Lab]


def only(pairs: Pairs, *names: bytes) -> Pairs:
    """The pairs whose name starts with one of these, in order."""
    return [pair for pair in pairs if pair[0].lower().startswith(names)]


@rule("headers.hop-by-hop.response")
def test_fields_that_the_downstream_names_in_connection_end_here(proxy: Lab) -> None:
    fields = [b"Connection: X-One", b"connection: ,, x-two ,", b"X-One: 1", b"X-Two: 2", b"X-Three: 3"]
    proxy.origin.script("/x", reply(ok(b"hello", *fields)))
    response = proxy.ask(get(b"/x"))
    assert response.body == b"hello"
    left = only(response.headers, b"x-one", b"x-two", b"x-three")
    assert [(name.lower(), value) for name, value in left] == [(b"x-three", b"3")]


@rule("headers.hop-by-hop.response")
@should
def test_fields_known_to_be_of_the_downstreams_connection_end_here(proxy: Lab) -> None:
    fields = [b"Keep-Alive: timeout=7", b"Proxy-Connection: keep-alive", b"Upgrade: h2c", b"TE: trailers"]
    proxy.origin.script("/x", reply(ok(b"hello", *fields)))
    response = proxy.ask(get(b"/x"))
    assert not only(response.headers, b"proxy-connection", b"upgrade", b"te")
    assert b"timeout=7" not in response.head


@rule("headers.hop-by-hop.response")
@own
def test_connection_fields_of_the_downstream_end_here(proxy: Lab) -> None:
    answer = ok(
        b"hello",
        b"Connection: X-One",
        b"connection: ,, x-two ,",
        b"Keep-Alive: timeout=7",
        b"Proxy-Connection: keep-alive",
        b"Trailer: X-T",
        b"Upgrade: h2c",
        b"TE: trailers",
        b"X-One: 1",
        b"X-Two: 2",
        b"X-Three: 3",
    )
    proxy.origin.script("/x", reply(answer))
    response = proxy.ask(get(b"/x"))
    assert response.status == 200
    assert response.body == b"hello"
    assert only(response.headers, b"x-one", b"x-two", b"x-three") == [(b"X-Three", b"3")]
    assert not only(response.headers, b"proxy-connection", b"trailer", b"upgrade", b"te")
    assert b"timeout=7" not in response.head


@rule("headers.hop-by-hop.response")
def test_connection_close_of_the_downstream_does_not_close_the_client(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(ok(b"hello", b"Connection: close"), close=True))
    client = proxy.send(get(b"/x"))
    assert client.read_response().body == b"hello"
    assert client.send(get(b"/y")).read_response().status == 200


FIELDS = pytest.mark.parametrize(
    "fields",
    [
        pytest.param([b"X-b: 1", b"X-A: 2", b"x-B: 3", b"X-a: 2"], id="order, case, repetition"),
        pytest.param([b"X-A: a, b", b"X-A: c"], id="lists"),
        pytest.param([b"X-Empty:", b"X-A: 1"], id="empty"),
        pytest.param([b"X-A: a  b\tc"], id="inner whitespace"),
        pytest.param([b'X-A: "a\\"b", (c), =:;<>@[]{}'], id="punctuation"),
        pytest.param([b"X-%d: %d" % (n, n) for n in range(50)], id="fifty"),
        pytest.param([b"X-%d: %d" % (n, n) for n in range(100)], id="a hundred", marks=own),
        pytest.param([b"X-A: " + b"v" * 16000], id="16,000 bytes", marks=own),
    ],
)


def combined(pairs: Pairs, names: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """The value of each field as RFC 9110 5.3 lets a recipient combine its lines."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        if name.lower() in names:
            found.setdefault(name.lower(), []).append(value)
    return {name: b", ".join(values) for name, values in found.items()}


@rule("headers.order-and-repetition", "headers.value-exact")
@FIELDS
def test_values_of_each_field_pass_both_ways_in_order(proxy: Lab, fields: list[bytes]) -> None:
    pairs = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    names = tuple(name.lower() for name, _ in pairs)
    proxy.origin.script("/x", reply(ok(b"", *fields)))
    response = proxy.ask(get(b"/x", *fields))
    assert combined(proxy.origin.seen("/x")[0].headers, names) == combined(pairs, names)
    assert combined(response.headers, names) == combined(pairs, names)


@rule("headers.order-and-repetition", "headers.value-exact")
@own
@FIELDS
def test_fields_pass_both_ways_as_they_are(proxy: Lab, fields: list[bytes]) -> None:
    pairs = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    names = tuple(name.lower() for name, _ in pairs)
    proxy.origin.script("/x", reply(ok(b"", *fields)))
    response = proxy.ask(get(b"/x", *fields))
    request = proxy.origin.seen("/x")[0]
    assert [pair for pair in request.headers if pair[0].lower() in names] == pairs
    assert [pair for pair in response.headers if pair[0].lower() in names] == pairs


@rule("headers.set-cookie")
def test_five_cookies_stay_five(proxy: Lab) -> None:
    cookies = [b"Set-Cookie: c%d=v; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/" % n for n in range(5)]
    proxy.origin.script("/x", reply(ok(b"", *cookies)))
    assert [b"Set-Cookie: " + value for value in proxy.ask(get(b"/x")).all(b"set-cookie")] == cookies


@rule("headers.high-bytes")
@pytest.mark.parametrize(
    "value", [b"caf\xe9", b"caf\xc3\xa9", bytes(range(0x80, 0x100))], ids=["latin-1", "utf-8", "all"]
)
def test_high_bytes_of_an_answer_pass(proxy: Lab, value: bytes) -> None:
    proxy.origin.script("/x", reply(ok(b"", b"X-Name: " + value)))
    assert proxy.ask(get(b"/x")).all(b"x-name") == [value]


@rule("headers.no-injection")
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X-A: a\rb", id="CR in a value"),
        pytest.param(b"X-A: a\x00b", id="NUL in a value"),
        pytest.param(b"X-A: a\nX-Injected: yes", id="LF in a value", marks=own),
        pytest.param(b"X-A\r: b", id="CR in a name"),
        pytest.param(b"X-A: a\r\n X-Injected: yes", id="fold"),
    ],
)
def test_answer_with_line_ends_inside_is_not_relayed(proxy: Lab, head: bytes) -> None:
    proxy.origin.script("/x", reply(ok(b"", head)))
    response = proxy.ask(get(b"/x"))
    # Strictly parsed by now. RFC 9110 5.5 also lets a server replace the bytes by spaces.
    assert response.status == 502 or (proxy.foreign and response.status in (200, 500))
    assert not response.all(b"x-injected")


@rule("headers.no-injection")
@own
@pytest.mark.parametrize("reason", [b"a\rb", b"a\x00b"], ids=["CR", "NUL"])
def test_reason_with_control_bytes_is_not_relayed(proxy: Lab, reason: bytes) -> None:
    proxy.origin.script("/x", reply(b"HTTP/1.1 200 " + reason + b"\r\nContent-Length: 0\r\n\r\n"))
    assert proxy.ask(get(b"/x")).status == 502


@rule("headers.too-large", "headers.too-many")
def test_head_limits_hold_at_their_settings(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TIGHT)
    assert proxy.forwarded(get(b"/x", *(b"X-%d: y" % n for n in range(19)))).target == b"/x"
    proxy.origin.reset()
    proxy.refused(get(b"/x", *(b"X-%d: y" % n for n in range(20))), 431)
    proxy.refused(get(b"/x", b"X-A: " + b"x" * 2048), 431)


@rule("headers.response-identity")
def test_downstream_identity_passes(proxy: Lab) -> None:
    fields = [b"Server: Origin/1", b"Date: Mon, 01 Jan 2024 00:00:00 GMT", b"Content-Type: x/y; charset=z"]
    proxy.origin.script("/x", reply(ok(b"{}", *fields)))
    response = proxy.ask(get(b"/x"))
    assert response.one(b"server") == b"Origin/1"
    assert response.one(b"date") == b"Mon, 01 Jan 2024 00:00:00 GMT"
    assert response.one(b"content-type") == b"x/y; charset=z"


@rule("headers.response-identity")
@own
@pytest.mark.parametrize("body", [b"", b"<html>"])
def test_absent_identity_is_not_invented(proxy: Lab, body: bytes) -> None:
    proxy.origin.script("/x", reply(ok(body)))
    response = proxy.ask(get(b"/x"))
    assert not only(response.headers, b"server", b"date", b"content-type", b"via", b"x-powered-by")


@rule("headers.host-policy")
@pytest.mark.parametrize(
    ("target", "host"),
    [
        pytest.param(b"/x", None, id="its own by default"),
        pytest.param(b"/client-host/x", b"proxy", id="the client's"),
    ],
)
def test_downstream_sees_the_configured_host(
    proxy_with: ProxyWith, target: bytes, host: bytes | None
) -> None:
    request = proxy_with(ROUTES).forwarded(get(target))
    assert request.all(b"host") == [host or request.conn.origin.authority]


@rule("headers.host-policy")
def test_http10_request_without_host_gets_one(proxy: Lab) -> None:
    request = proxy.forwarded(b"GET /x HTTP/1.0\r\n\r\n")
    assert request.all(b"host") == [proxy.origin.authority]


@rule("headers.rules")
def test_configured_rules_apply_both_ways(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(ROUTES)
    proxy.origin.script("/rules/x", reply(ok(b"", b"Server: s", b"X-Frame-Options: ALLOW", b"X-Add: zero")))
    response = proxy.ask(
        get(b"/rules/x", b"X-Drop: 1", b"x-drop: 2", b"x-set: old", b"X-SET: old", b"X-Add: zero")
    )
    request = proxy.origin.seen("/rules/x")[0]
    assert not request.all(b"x-drop")
    assert request.all(b"x-set") == [b"set"]
    assert request.all(b"x-add") == [b"zero", b"one", b"two"]
    assert request.all(b"x-secret") == [b"secret from the environment"]
    assert request.all(b"x-file") == [b"secret from a file"]
    assert not response.all(b"server")
    assert response.all(b"x-frame-options") == [b"DENY"]
    assert response.all(b"x-add") == [b"zero", b"three"]


@rule("headers.rules")
def test_rules_of_one_downstream_do_not_apply_to_another(proxy_with: ProxyWith) -> None:
    request = proxy_with(ROUTES).forwarded(get(b"/x", b"X-Drop: 1"))
    assert request.all(b"x-drop") == [b"1"]
    assert not request.all(b"x-set")
    assert not request.all(b"x-secret")


@rule("headers.connection-cannot-remove")
def test_own_fields_survive_being_named(proxy: Lab) -> None:
    named = b"Connection: X-Forwarded-For, x-forwarded-proto, Via, X-Request-ID, Host, X-One"
    request = proxy.forwarded(get(b"/x", named, b"X-One: 1", b"X-Forwarded-For: 6.6.6.6"))
    assert request.all(b"host") == [proxy.origin.authority]
    assert not request.all(b"x-one")
    if request.all(b"via"):  # a server with the capability `forwarded`
        assert request.all(b"x-forwarded-for") == [b"127.0.0.1"]
        assert request.all(b"x-forwarded-proto") == [b"http"]
        assert len(request.all(b"x-request-id")) == 1


@rule("headers.hop-by-hop.connection-named")
def test_named_credentials_are_removed_as_the_rfc_says(proxy: Lab) -> None:
    request = proxy.forwarded(
        get(b"/x", b"Connection: Authorization, cookie", b"Authorization: x", b"Cookie: a=b")
    )
    assert not request.all(b"authorization")
    assert not request.all(b"cookie")


@rule("headers.connection-cannot-remove")
def test_framing_of_an_answer_cannot_be_named_away(proxy: Lab) -> None:
    proxy.origin.script("/x", reply(ok(b"hello", b"Connection: content-length, transfer-encoding")))
    client = proxy.send(get(b"/x"))
    assert client.read_response().body == b"hello"
    assert client.send(get(b"/y")).read_response().status == 200
