"""Chapter failures, sending again: within attempts, budget and deadline, and only where it is switched on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, reply
from .failure_cases import counts
from .lab import Lab, get, post, rule

ProxyWith = Callable[[str], Lab]

SETTINGS = """
[downstreams.off]
prefix = "/off"
url = "http://$ORIGIN"
retry = { attempts = 1 }
[downstreams.off-refused]
prefix = "/off-refused"
url = "http://127.0.0.1:1"
retry = { attempts = 1 }
[downstreams.no-budget]
prefix = "/no-budget"
url = "http://$ORIGIN"
retry = { budget = 0.0 }
[downstreams.five]
prefix = "/five"
url = "http://$ORIGIN"
retry = { attempts = 5, budget = 1.0 }
[downstreams.outage]
prefix = "/outage"
url = "http://127.0.0.1:1"
retry = { attempts = 5, budget = 0.1 }
[downstreams.rest]
url = "http://$ORIGIN"
"""

DEADLINE = """
[downstreams.deadline{n}]
prefix = "/deadline{n}"
url = "http://127.0.0.1:1"
retry = {{ attempts = 10, budget = 1.0 }}
timeouts = {{ total = 0.2 }}
"""


@pytest.fixture
def lab(start: ProxyWith) -> Lab:
    """A server of the test's own: what a budget holds depends on what was asked before."""
    return start(SETTINGS + "".join(DEADLINE.format(n=n) for n in range(3)))


def retries(lab: Lab, place: str) -> float:
    return counts(lab).get((place, ""), 0.0)


@rule("failures.retry-bounds")
@pytest.mark.parametrize("place", ["off", "no-budget"])
def test_switched_off_nothing_is_sent_again(lab: Lab, place: str) -> None:
    target = f"/{place}/x".encode()
    lab.origin.script(target, reply(b"", close=True))
    # On a new connection and on one that had served before.
    for before in (False, True):
        if before:
            assert lab.ask(get(f"/{place}/before".encode())).status == 200
        assert lab.ask(get(target)).status == 502
    assert len(lab.origin.seen(target)) == 2
    assert lab.ask(get(b"/off-refused/x")).status == 502
    assert retries(lab, place) == retries(lab, "off-refused") == 0


@rule("failures.retry-bounds")
def test_attempts_are_tries_in_all(lab: Lab) -> None:
    async def fifth(conn: Connection, request: Request) -> None:
        if len(lab.origin.seen("/five/x")) < 5:
            conn.close()
        else:
            await conn.send(ok(b"at last"))

    lab.origin.script("/five/x", fifth)
    assert lab.ask(get(b"/five/x")).body == b"at last"
    lab.origin.script("/five/y", reply(b"", reset=True))
    lab.origin.drop_connections()
    assert lab.ask(get(b"/five/y")).status == 502
    assert len(lab.origin.seen("/five/x")) == len(lab.origin.seen("/five/y")) == 5


@rule("failures.retry-bounds")
def test_outage_is_multiplied_by_the_budget_only(lab: Lab) -> None:
    client = lab.connect()
    for n in range(200):
        raw = get(b"/outage/x") if n % 2 else post(b"/outage/x", b"hello")
        assert client.send(raw).read_response().status == 502
    # Ten are saved up, and a tenth of the requests is added.
    assert 20 <= retries(lab, "outage") <= 10 + 0.1 * 200 + 1


@rule("failures.retry-bounds", "failures.total")
def test_pauses_between_tries_end_with_the_total_deadline(lab: Lab) -> None:
    """Ten tries pause up to 3.2 s in all. Each downstream has a budget of its own."""

    def measure(place: str) -> float:
        began = time.monotonic()
        assert lab.ask(get(f"/{place}/x".encode())).status == 504
        assert 1 <= retries(lab, place) <= 9
        return time.monotonic() - began

    taken = [measure(f"deadline{n}") for n in range(3)]
    assert 0.18 < min(taken) < 0.25, taken
