"""Addresses go out for good reasons only, come back in time, and never all at once for nothing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from downstream_proxy.balancing.roster import Roster
from downstream_proxy.balancing.standing import Standing
from downstream_proxy.settings_balancing import Balance, Eject, Health


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Address:
    index: int
    standing: Standing
    inflight: int = 0

    @property
    def url(self) -> str:
        return f"http://a{self.index}"


class Lab:
    """A roster of `count` addresses whose jitter is always in the middle."""

    def __init__(
        self, count: int = 3, health: Health | None = None, balance: Any = None, **eject: Any
    ) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        rules = Eject(**eject)
        spread = Balance(**(balance or {"slow_start": 0}))
        self.members = [
            Address(number, Standing(rules, health or Health(), spread.slow_start, lambda: 0.5))
            for number in range(count)
        ]
        self.roster = Roster(self.members, spread, rules, self.clock, self._changed, random.Random(7).random)

    def _changed(self, member: Address, what: str) -> None:
        self.log.append(f"a{member.index} {what}")

    def fail(self, number: int, times: int = 1) -> None:
        member = self.members[number]
        for _ in range(times):
            self.roster.failed(member, member.standing.epoch, "connection-refused")

    def succeed(self, number: int) -> None:
        member = self.members[number]
        self.roster.succeeded(member, member.standing.epoch)

    def check(self, number: int, why: str | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.roster.checked(self.members[number], why)

    def asked(self, tried: tuple[int, ...] = (), times: int = 600) -> Counter[int]:
        return Counter(self.roster.choose(tried).index for _ in range(times))

    def states(self) -> list[str]:
        return [status.state for status in self.roster.status()]


def test_all_are_asked_when_all_are_well() -> None:
    assert set(Lab().asked()) == {0, 1, 2}


def test_failures_in_a_row_take_an_address_out_until_its_time_is_over() -> None:
    lab = Lab()
    lab.fail(1, 2)
    lab.succeed(1)
    lab.fail(1, 2)
    assert set(lab.asked()) == {0, 1, 2}
    lab.fail(1)
    assert set(lab.asked()) == {0, 2}
    assert lab.roster.status()[1].state == "ejected"
    assert lab.roster.status()[1].seconds == 10
    assert lab.roster.status()[1].last_error == "connection-refused"
    lab.clock.now += 9.9
    assert set(lab.asked()) == {0, 2}
    lab.clock.now += 0.2
    assert set(lab.asked()) == {0, 1, 2}
    assert lab.log == [
        "a1 is out for 10.0 s: 3 failures in a row, the last connection-refused",
        "a1 is back: its time out is over",
    ]


def test_a_burst_of_failures_counts_as_one_ejection() -> None:
    lab = Lab()
    epoch = lab.members[1].standing.epoch
    for _ in range(50):
        lab.roster.failed(lab.members[1], epoch, "closed-before-head")
    lab.clock.now += 11
    lab.roster.status()
    for _ in range(50):
        # Exchanges that had begun before it went out, and time out now.
        lab.roster.failed(lab.members[1], epoch, "head-timeout")
    assert lab.states() == ["healthy"] * 3
    assert lab.roster.status()[1].ejections == 1


def test_time_out_doubles_in_a_row_up_to_the_longest_and_begins_anew_after_good_service() -> None:
    lab = Lab(first=10, longest=35)
    lengths = []
    for _ in range(4):
        lab.fail(0, 3)
        seconds = lab.roster.status()[0].seconds
        assert seconds is not None
        lengths.append(seconds)
        lab.clock.now += seconds
        lab.roster.status()
    assert lengths == [10, 20, 35, 35]
    lab.clock.now += 35
    lab.fail(0, 3)
    assert lab.roster.status()[0].seconds == 10


def test_time_out_is_jittered() -> None:
    lengths = set()
    for seed in range(20):
        standing = Standing(Eject(), Health(), 0, random.Random(seed).random)
        lengths.add(standing.eject(0.0))
    assert len(lengths) == 20
    assert all(7.5 <= length <= 12.5 for length in lengths)


def test_failures_of_0_never_eject() -> None:
    lab = Lab(failures=0)
    lab.fail(0, 100)
    assert lab.states() == ["healthy"] * 3
    assert lab.roster.status()[0].failures == 100


@pytest.mark.parametrize(
    ("count", "share", "most"),
    [(1, 1.0, 0), (2, 0.7, 1), (3, 0.7, 2), (3, 0.0, 1), (10, 0.7, 7), (3, 1.0, 3)],
)
def test_only_so_many_are_ejected_at_once(count: int, share: float, most: int) -> None:
    lab = Lab(count, max_share=share)
    for number in range(count):
        lab.fail(number, 5)
    assert lab.states().count("ejected") == most


def test_one_that_could_not_be_ejected_is_when_there_is_room() -> None:
    lab = Lab(2)
    lab.fail(0, 3)
    lab.fail(1, 3)
    assert lab.states() == ["ejected", "healthy"]
    lab.clock.now += 11
    lab.roster.status()
    lab.fail(1)
    assert lab.states() == ["healthy", "ejected"]


def test_retry_goes_to_another_even_if_that_is_out() -> None:
    lab = Lab()
    assert set(lab.asked((0,))) == {1, 2}
    lab.fail(1, 3)
    assert set(lab.asked((0,))) == {2}
    assert lab.roster.elsewhere((0,))
    assert set(lab.asked((0, 2))) == {1}
    assert not lab.roster.elsewhere((0, 2))
    assert set(lab.asked((0, 1, 2))) == {0, 2}


def test_panic_asks_all_when_too_few_are_left() -> None:
    lab = Lab(4)
    for number in range(2):
        lab.fail(number, 3)
    assert set(lab.asked()) == {2, 3}
    lab.check(2, "connection-refused")
    assert set(lab.asked()) == {0, 1, 2, 3}
    assert lab.roster.panicking
    lab.check(2, times=2)
    assert set(lab.asked()) == {2, 3}


def test_without_panic_the_last_one_is_asked_alone_but_never_nobody() -> None:
    lab = Lab(4, balance={"panic": 0, "slow_start": 0})
    for number in range(3):
        lab.check(number, "status 500")
    assert set(lab.asked()) == {3}
    lab.check(3, "status 500")
    assert lab.roster.all_out
    assert set(lab.asked()) == {0, 1, 2, 3}


def test_answer_in_a_panic_brings_an_ejected_address_back() -> None:
    lab = Lab(3, max_share=1)
    for number in range(3):
        lab.fail(number, 3)
    assert lab.roster.all_out
    lab.succeed(2)
    assert lab.states() == ["ejected", "ejected", "healthy"]
    assert set(lab.asked()) == {2}
    # An answer to what was asked before it went out would tell nothing.
    lab.roster.succeeded(lab.members[0], lab.members[0].standing.epoch - 1)
    assert lab.states()[0] == "ejected"


def test_checks_take_out_and_bring_back() -> None:
    lab = Lab()
    lab.check(0)
    lab.check(0, "status 503")
    assert lab.states()[0] == "healthy"
    lab.check(0, "status 503")
    assert lab.states()[0] == "unhealthy"
    assert set(lab.asked()) == {1, 2}
    lab.clock.now += 1000
    lab.check(0)
    lab.check(0, "no answer in time")
    lab.check(0)
    assert lab.states()[0] == "unhealthy"
    lab.check(0)
    assert lab.states()[0] == "healthy"
    assert lab.log == ["a0 is out: its check failed: status 503", "a0 is back: it passed its checks"]


def test_first_check_decides_alone() -> None:
    lab = Lab()
    lab.check(0, "connection-refused")
    lab.check(1)
    assert lab.states() == ["unhealthy", "healthy", "healthy"]


def test_checks_shorten_a_later_time_out_when_they_failed_in_it() -> None:
    lab = Lab()
    lab.check(0)
    for _ in range(3):
        lab.fail(0, 3)
        lab.check(0, "connection-refused")
        lab.check(0)
        assert lab.states()[0] == "ejected"
        lab.check(0)
        assert lab.states()[0] == "healthy"
    lab.fail(0, 3)
    lab.check(0, times=20)
    assert lab.states()[0] == "ejected", "a check that failed in an earlier one says nothing of this one"


def test_checks_that_pass_all_the_while_shorten_the_first_time_out_only() -> None:
    lab = Lab()
    lab.fail(0, 3)
    lab.check(0, times=2)
    assert lab.states()[0] == "healthy"
    lab.fail(0, 3)
    lab.check(0, times=20)
    assert lab.states()[0] == "ejected"
    lab.clock.now += 20
    assert lab.states()[0] == "healthy"


def test_address_that_is_ill_and_ejected_needs_both_to_pass() -> None:
    lab = Lab()
    lab.fail(0, 3)
    lab.check(0, "status 500", times=2)
    assert lab.states()[0] == "unhealthy"
    lab.clock.now += 100
    assert lab.states()[0] == "unhealthy"
    assert lab.roster.status()[0].ejections == 1
    lab.check(0, times=2)
    assert lab.states()[0] == "healthy"


@pytest.mark.parametrize("policy", ["power_of_two", "round_robin"])
def test_slow_start_grows_into_the_full_share(policy: str) -> None:
    lab = Lab(balance={"slow_start": 10, "policy": policy})
    lab.fail(0, 3)
    lab.clock.now += 10
    assert lab.states()[0] == "slow-start"
    shares = []
    for _ in range(3):
        shares.append(lab.asked(times=3000)[0] / 1000)
        lab.clock.now += 5
    assert 0.01 < shares[0] < 0.2
    assert 0.3 < shares[1] < 0.75
    assert 0.85 < shares[2] < 1.15
    assert lab.states()[0] == "healthy"


def test_nothing_is_looked_at_by_the_clock_while_all_are_well() -> None:
    lab = Lab()
    lab.roster._clock = None  # type: ignore[assignment]
    assert set(lab.asked()) == {0, 1, 2}
    lab.succeed(0)
