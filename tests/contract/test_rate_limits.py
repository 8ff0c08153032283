"""Chapter limits, rates: how often one client may ask."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from downstream_proxy.errors import ErrorKind

from ..wire import Response
from .failure_cases import judge_answer, log_line
from .lab import Lab, get, post, rule
from .settings import RATES

ProxyWith = Callable[[str], Lab]


@pytest.fixture
def rates(proxy_with: ProxyWith) -> Lab:
    return proxy_with(RATES)


def ask(lab: Lab, target: bytes, client: bytes, *fields: bytes) -> Response:
    """Each test counts for clients of its own, which a trusted proxy names."""
    return lab.ask(get(target, b"X-Forwarded-For: " + client, *fields))


@rule("limits.rate", "failures.one-table")
def test_request_over_the_rate_is_refused_and_never_forwarded(rates: Lab) -> None:
    for _ in range(2):
        assert ask(rates, b"/limited/a", b"192.0.2.1").status == 200
    logged = len(rates.server.log())
    response = ask(rates, b"/limited/a", b"192.0.2.1")
    judge_answer(ErrorKind.RATE_LIMITED, response)
    assert 1 <= int(response.one(b"retry-after") or b"0") <= 3600
    assert len(rates.origin.seen("/limited/a")) == 2
    assert " 429 " in log_line(rates, logged, "error=rate-limited")
    assert b'kind="rate-limited"' in rates.ask(get(b"/-/metrics")).body


@rule("limits.rate")
def test_body_of_a_refused_request_does_not_become_the_next_one(rates: Lab) -> None:
    named = b"X-Forwarded-For: 192.0.2.2"
    for _ in range(2):
        ask(rates, b"/limited/b", b"192.0.2.2")
    smuggled = get(b"/limited/smuggled", named)
    client = rates.send(post(b"/limited/b", smuggled, named) + get(b"/free/next"))
    assert client.read_response().status == 429
    assert client.read_response().status == 200
    rates.barrier()
    assert not rates.origin.seen("/limited/smuggled")


@rule("limits.rate-fields")
def test_every_answer_tells_what_is_left(rates: Lab) -> None:
    policy = b'"client-2-per-hour";q=2;w=3600, "client-5-per-day";q=5;w=86400'
    left = []
    for _ in range(3):
        response = ask(rates, b"/limited/c", b"192.0.2.3")
        assert response.one(b"ratelimit-policy") == policy
        found = re.findall(rb'"([^"]+)";r=(\d+);t=(\d+)', response.one(b"ratelimit") or b"")
        left.append([(name, int(remaining)) for name, remaining, _ in found])
        assert all(0 < int(seconds) <= 86400 for _, _, seconds in found)
    hour, day = b"client-2-per-hour", b"client-5-per-day"
    assert left == [[(hour, 1), (day, 4)], [(hour, 0), (day, 3)], [(hour, 0)]]
    assert ask(rates, b"/free/c", b"192.0.2.3").one(b"ratelimit") is None


@rule("limits.rate-keys")
@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (b"192.0.2.10", b"192.0.2.11", False),
        # The left part is what the client itself claims.
        (b"192.0.2.12", b"198.51.100.1, 192.0.2.12", True),
        # Whoever has one IPv6 address has all of its /64.
        (b"2001:db8:1:2::1", b"2001:db8:1:2:ffff::9", True),
        (b"2001:db8:1:3::1", b"2001:db8:1:4::1", False),
    ],
)
def test_count_belongs_to_the_client_behind_trusted_proxies(
    rates: Lab, one: bytes, other: bytes, shared: bool
) -> None:
    for _ in range(2):
        assert ask(rates, b"/limited/d", one).status == 200
    assert ask(rates, b"/limited/d", other).status == (429 if shared else 200)


@rule("limits.rate-keys")
def test_count_belongs_to_the_key_that_a_header_has(rates: Lab) -> None:
    for client in (b"192.0.2.20", b"192.0.2.21"):
        assert ask(rates, b"/keyed/e", client, b"X-API-Key: s3cret-1").status == 200
    refused = ask(rates, b"/keyed/e", b"192.0.2.22", b"X-API-Key: s3cret-1")
    assert refused.status == 429
    assert b"s3cret" not in refused.head + refused.body
    assert ask(rates, b"/keyed/e", b"192.0.2.20", b"X-API-Key: s3cret-2").status == 200
    for _ in range(2):
        assert ask(rates, b"/keyed/e", b"192.0.2.23").status == 200
    assert ask(rates, b"/keyed/e", b"192.0.2.23").status == 429


@rule("limits.rate-keys")
def test_route_without_rates_is_not_counted(rates: Lab) -> None:
    assert all(ask(rates, b"/free/f", b"192.0.2.30").status == 200 for _ in range(10))
