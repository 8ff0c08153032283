"""Chapter headers, who a request came from and through whom: X-Forwarded-*, Forwarded, Via, X-Request-ID."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ..parse import Pairs
from ..scripts import ok, reply
from .lab import Lab, get, rule
from .settings import FORWARDED, FORWARDED_BOTH, FORWARDED_OFF, TRUSTED

ProxyWith = Callable[[str], Lab]


def only(pairs: Pairs, *names: bytes) -> Pairs:
    """The pairs whose name starts with one of these, in order."""
    return [pair for pair in pairs if pair[0].lower().startswith(names)]


@rule("headers.forwarded-trusted")
def test_trusted_peer_is_believed_and_appended(proxy_with: ProxyWith) -> None:
    fields = [
        b"X-Forwarded-For: 6.6.6.6",
        b"X-Forwarded-For: 10.0.0.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: public.example",
        b"X-Real-IP: 6.6.6.6",
    ]
    request = proxy_with(TRUSTED).forwarded(get(b"/x", *fields))
    chain = b", ".join(request.all(b"x-forwarded-for")).replace(b" ", b"").split(b",")
    assert chain == [b"6.6.6.6", b"10.0.0.7", b"127.0.0.1"]
    assert request.all(b"x-forwarded-proto") == [b"https"]
    assert request.all(b"x-forwarded-host") == [b"public.example"]
    assert request.all(b"x-real-ip") == [b"6.6.6.6"]


@rule("headers.forwarded-rfc7239")
def test_forwarded_replaces_the_x_fields(proxy_with: ProxyWith) -> None:
    request = proxy_with(FORWARDED).forwarded(
        get(b"/x", b"Forwarded: for=6.6.6.6", b"X-Forwarded-For: 6.6.6.6")
    )
    assert [value.replace(b'"', b"") for value in request.all(b"forwarded")] == [
        b"for=127.0.0.1;proto=http;host=proxy"
    ]
    assert not only(request.headers, b"x-forwarded-", b"x-real-ip")


@rule("headers.forwarded-rfc7239")
def test_both_forms_are_appended_for_a_trusted_peer(proxy_with: ProxyWith) -> None:
    request = proxy_with(FORWARDED_BOTH).forwarded(
        get(b"/x", b"Forwarded: for=6.6.6.6", b"X-Forwarded-For: 6.6.6.6")
    )
    elements = b", ".join(request.all(b"forwarded")).split(b", ")
    assert elements[0] == b"for=6.6.6.6"
    assert elements[1].startswith(b"for=127.0.0.1;")
    assert b", ".join(request.all(b"x-forwarded-for")) == b"6.6.6.6, 127.0.0.1"


@rule("headers.forwarded-rfc7239", "headers.via", "headers.request-id", "headers.underscores")
def test_all_of_it_can_be_turned_off(proxy_with: ProxyWith) -> None:
    fields = [b"X-Forwarded-For: 6.6.6.6", b"X-Request-ID: abc", b"Via: 1.1 other", b"X_Under: 1"]
    request = proxy_with(FORWARDED_OFF).forwarded(get(b"/x", *fields))
    assert not only(request.headers, b"x-forwarded-", b"forwarded")
    assert request.all(b"x-request-id") == [b"abc"]
    assert request.all(b"via") == [b"1.1 other"]
    assert request.all(b"x_under") == [b"1"]


@rule("headers.via")
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_via_is_appended_to_requests_only(proxy: Lab, version: bytes) -> None:
    proxy.origin.script("/x", reply(ok(b"", b"Via: 1.1 inner")))
    response = proxy.ask(get(b"/x", b"Via: 1.0 fred, 1.1 p.example", version=version))
    entries = b", ".join(proxy.origin.seen("/x")[0].all(b"via")).split(b", ")
    assert entries[:2] == [b"1.0 fred", b"1.1 p.example"]
    assert len(entries) == 3, f"nothing is behind the entries that were there: {entries!r}"
    assert re.fullmatch(version + rb" [^ ,]+", entries[2])
    if not proxy.foreign:  # an answer may have one too
        assert response.all(b"via") == [b"1.1 inner"]


@rule("headers.loop")
@pytest.mark.parametrize("via", [b"1.1 outer", b"1.0 a, 1.1 outer (x)", b"HTTP/1.1 outer"])
def test_own_name_in_via_is_a_loop(proxy_with: ProxyWith, via: bytes) -> None:
    proxy = proxy_with(FORWARDED_BOTH)
    response = proxy.ask(get(b"/x", b"Via: " + via))
    assert response.status == 508
    proxy.barrier()
    assert not proxy.others()


@rule("headers.loop")
def test_another_name_in_via_is_no_loop(proxy_with: ProxyWith) -> None:
    proxy_with(FORWARDED_BOTH).forwarded(get(b"/x", b"Via: 1.1 outer2, 1.1 x (outer), 1.1 outer.example"))


@rule("headers.loop")
def test_default_name_is_the_same_for_each_request_and_detected(proxy: Lab) -> None:
    found = proxy.forwarded(get(b"/x")).all(b"via")
    assert len(found) == 1, f"not one Via but {found!r}"
    name = found[0]
    assert proxy.ask(get(b"/x", b"Via: " + name)).status == 508


@rule("headers.request-id")
def test_request_id_is_made_and_echoed(proxy: Lab) -> None:
    ids = set()
    for _ in range(3):
        response = proxy.ask(get(b"/x", b"X-Request-ID: forged"))
        ids.add(response.one(b"x-request-id"))
    seen = [value for request in proxy.origin.seen("/x") for value in request.all(b"x-request-id")]
    assert len(ids) == 3
    assert None not in ids
    assert b"forged" not in ids
    assert set(seen) == ids
    assert len(seen) == 3


@rule("headers.request-id")
def test_request_id_of_a_trusted_peer_is_kept(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TRUSTED)
    response = proxy.ask(get(b"/x", b"X-Request-ID: abc-123"))
    assert response.one(b"x-request-id") == b"abc-123"
    assert proxy.origin.seen("/x")[0].all(b"x-request-id") == [b"abc-123"]


@rule("headers.request-id")
@pytest.mark.parametrize("value", [b"a b", b"caf\xc3\xa9", b"x" * 1000, b'a"b', b""])
def test_request_id_unfit_for_a_log_is_replaced(proxy_with: ProxyWith, value: bytes) -> None:
    proxy = proxy_with(TRUSTED)
    response = proxy.ask(get(b"/x", b"X-Request-ID: " + value))
    made = response.one(b"x-request-id")
    assert made
    assert made != value
    assert proxy.origin.seen("/x")[0].all(b"x-request-id") == [made]
