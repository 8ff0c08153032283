"""The breaker opens on sustained failure only, lets few through to try, and forgets what is over."""

from __future__ import annotations

from typing import Any

import pytest
from downstream_proxy.balancing.breaker import Breaker, Window
from downstream_proxy.balancing.status import BreakerState
from downstream_proxy.settings_balancing import Breaker as Settings


class Lab:
    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.states: list[BreakerState] = []
        defaults = {"failures": 0.5, "min_requests": 10, "window": 10, "first": 5, "longest": 15}
        self.breaker = Breaker(
            Settings(**(defaults | settings)),
            lambda: self.now,
            lambda state, _: self.states.append(state),
            lambda: 0.5,
        )

    def exchange(self, ok: bool, times: int = 1) -> None:
        for _ in range(times):
            ticket = self.breaker.enter()
            assert ticket is not None
            (self.breaker.succeeded if ok else self.breaker.failed)(ticket)

    def open(self) -> None:
        self.exchange(False, 10)
        assert self.breaker.status().state == "open"


def test_opens_when_the_share_is_reached_and_not_before_there_are_enough() -> None:
    lab = Lab()
    lab.exchange(False, 9)
    assert not lab.breaker.refuses()
    lab.exchange(False)
    assert not lab.breaker.closed
    assert lab.breaker.enter() is None
    assert lab.breaker.status().seconds == 5
    assert lab.breaker.opened == 1


def test_stays_closed_below_the_share() -> None:
    lab = Lab()
    for _ in range(100):
        lab.exchange(True, 2)
        lab.exchange(False)
        lab.now += 0.1
    assert lab.breaker.closed


def test_failures_that_are_over_are_forgotten() -> None:
    lab = Lab()
    lab.exchange(False, 9)
    lab.now += 10
    lab.exchange(False, 9)
    assert lab.breaker.closed


@pytest.mark.parametrize("start", [0.0, 3.0, 1000.7])
def test_window_holds_its_seconds_to_a_tenth(start: float) -> None:
    window = Window(10)
    for step in range(100):
        window.add(start + step * 0.5, step % 2 == 0)
    total, failed = window.counts(start + 49.5)
    assert 18 <= total <= 20
    assert abs(failed - total / 2) <= 1
    assert window.counts(start + 100) == (0, 0)


def test_one_success_of_one_probe_closes_it() -> None:
    lab = Lab()
    lab.open()
    lab.now += 4.9
    assert lab.breaker.enter() is None
    lab.now += 0.2
    ticket = lab.breaker.enter()
    assert ticket is not None
    assert lab.breaker.is_probe(ticket)
    assert lab.breaker.enter() is None, "one probe at a time"
    lab.breaker.succeeded(ticket)
    assert lab.breaker.closed
    assert lab.states == ["open", "half-open", "closed"]
    lab.exchange(False, 9)
    assert lab.breaker.closed, "failures of before count no more"


def test_failed_probe_opens_it_for_twice_as_long_up_to_the_longest() -> None:
    lab = Lab()
    lab.open()
    lengths = []
    for _ in range(3):
        seconds = lab.breaker.status().seconds
        assert seconds is not None
        lengths.append(seconds)
        lab.now += seconds
        lab.exchange(False)
    assert lengths == [5, 10, 15]
    lab.now += 15
    lab.exchange(True)
    lab.open()
    assert lab.breaker.status().seconds == 5


def test_as_many_probes_as_told_must_succeed() -> None:
    lab = Lab(probes=3)
    lab.open()
    lab.now += 5
    tickets = [lab.breaker.enter() for _ in range(4)]
    assert tickets[3] is None
    for ticket in tickets[:3]:
        assert lab.breaker.status().state == "half-open"
        assert ticket is not None
        lab.breaker.succeeded(ticket)
    assert lab.breaker.closed


def test_probes_may_follow_one_another() -> None:
    lab = Lab(probes=2)
    lab.open()
    lab.now += 5
    lab.exchange(True)
    assert lab.breaker.status().state == "half-open"
    lab.exchange(True)
    assert lab.breaker.closed


def test_probe_that_told_nothing_gives_its_place_back() -> None:
    lab = Lab()
    lab.open()
    lab.now += 5
    for _ in range(5):
        ticket = lab.breaker.enter()
        assert ticket is not None
        lab.breaker.dropped(ticket)
    assert lab.breaker.status().state == "half-open"
    lab.exchange(True)
    assert lab.breaker.closed


@pytest.mark.parametrize("ok", [True, False])
def test_what_began_before_it_opened_counts_no_more(ok: bool) -> None:
    lab = Lab()
    early = lab.breaker.enter()
    assert early is not None
    lab.open()
    lab.now += 5
    probe = lab.breaker.enter()
    assert probe is not None
    (lab.breaker.succeeded if ok else lab.breaker.failed)(early)
    lab.breaker.dropped(early)
    assert lab.breaker.status().state == "half-open"
    assert lab.breaker.enter() is None
    lab.breaker.succeeded(probe)
    assert lab.breaker.closed


def test_trip_opens_at_once_and_try_now_lets_the_next_one_through() -> None:
    lab = Lab()
    lab.breaker.trip("no address is in service")
    assert lab.breaker.enter() is None
    lab.breaker.try_now()
    lab.exchange(True)
    assert lab.breaker.closed
