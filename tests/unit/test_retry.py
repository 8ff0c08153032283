"""Nothing that may have been processed is sent again, and retries stay a share of the traffic."""

from __future__ import annotations

import pytest
from downstream_proxy.errors import ERRORS, ErrorKind, ProxyError, Retry, Stage
from downstream_proxy.message import Body, OutgoingRequest
from downstream_proxy.retry import RetryBudget, may_retry, pause_before


def request(method: bytes = b"GET", body: Body | None = None) -> OutgoingRequest:
    return OutgoingRequest(method, b"/x", [], body, None, False, b"", lambda: None)


class SomeBody:
    """A body; nobody reads it here."""


BODY: Body = SomeBody()  # type: ignore[assignment]
IDEMPOTENT = [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"]
OTHERS = [b"POST", b"PATCH", b"LOCK", b"get", b"X-OTHER"]


def kinds(retry: Retry) -> list[ErrorKind]:
    return [kind for kind in ErrorKind if ERRORS[kind].retry is retry]


@pytest.mark.parametrize("kind", kinds(Retry.NEVER))
@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
def test_most_failures_are_final(kind: ErrorKind, method: bytes) -> None:
    assert not may_retry(request(method), ProxyError(kind), 1, 10)


@pytest.mark.parametrize("kind", kinds(Retry.ALWAYS))
@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
@pytest.mark.parametrize("body", [None, BODY], ids=["empty", "body"])
def test_what_reached_nobody_may_be_tried_again(kind: ErrorKind, method: bytes, body: Body | None) -> None:
    assert may_retry(request(method, body), ProxyError(kind), 1, 2)


@pytest.mark.parametrize("kind", kinds(Retry.IDEMPOTENT))
def test_what_may_have_been_processed_only_when_twice_is_as_good_as_once(kind: ErrorKind) -> None:
    assert [m for m in IDEMPOTENT + OTHERS if may_retry(request(m), ProxyError(kind), 1, 2)] == IDEMPOTENT


@pytest.mark.parametrize("kind", kinds(Retry.IDEMPOTENT))
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_body_that_may_be_touched_is_gone(kind: ErrorKind, method: bytes) -> None:
    assert not may_retry(request(method, BODY), ProxyError(kind), 1, 10)


@pytest.mark.parametrize("kind", kinds(Retry.ELSEWHERE))
@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
@pytest.mark.parametrize("body", [None, BODY], ids=["empty", "body"])
def test_what_would_fail_again_is_tried_at_another_address_only(
    kind: ErrorKind, method: bytes, body: Body | None
) -> None:
    outgoing = request(method, body)
    assert not may_retry(outgoing, ProxyError(kind), 1, 2)
    outgoing.elsewhere = True
    assert may_retry(outgoing, ProxyError(kind), 1, 2)
    # TLS may refuse a client certificate as late as behind the request.
    assert not may_retry(outgoing, ProxyError(kind, stage=Stage.RESPONSE_HEAD), 1, 2)


@pytest.mark.parametrize(("attempt", "attempts", "again"), [(1, 1, False), (1, 2, True), (2, 2, False)])
def test_attempts_are_tries_in_all(attempt: int, attempts: int, again: bool) -> None:
    error = ProxyError(ErrorKind.CONNECTION_REFUSED)
    assert may_retry(request(), error, attempt, attempts) is again


def test_budget_lets_an_outage_grow_by_its_share_only() -> None:
    budget = RetryBudget(0.2)
    retries = 0
    for _ in range(10_000):
        budget.request()
        retries += budget.take()
    assert 2000 <= retries <= 2000 + 11


def test_budget_saved_in_quiet_times_is_bounded() -> None:
    budget = RetryBudget(0.5, reserve=3)
    for _ in range(1000):
        budget.request()
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_share_of_0_turns_retries_off() -> None:
    budget = RetryBudget(0.0)
    for _ in range(100):
        budget.request()
        assert not budget.take()


def test_pauses_grow_are_spread_and_stay_bounded() -> None:
    for attempt, longest in ((2, 0.01), (3, 0.04), (4, 0.16), (5, 0.5), (10, 0.5)):
        pauses = [pause_before(attempt) for _ in range(500)]
        assert 0 <= min(pauses) < longest / 2 < max(pauses) <= longest
