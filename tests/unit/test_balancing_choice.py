"""Choices are even where they should be, follow the load where it differs, and keep keys where they were."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from downstream_proxy.balancing.affinity import Affinity
from downstream_proxy.balancing.choice import RoundRobin, power_of_two, thinned
from downstream_proxy.settings_balancing import Balance

URLS = [f"http://10.0.0.{number}:8080" for number in range(5)]


@dataclass(frozen=True)
class Place:
    name: int
    inflight: int = 0


def test_power_of_two_spreads_evenly_when_nothing_is_in_flight() -> None:
    draw = random.Random(1).random
    places = [Place(number) for number in range(4)]
    counts = Counter(power_of_two(places, draw).name for _ in range(8000))
    assert all(1800 < count < 2200 for count in counts.values()), counts


def test_power_of_two_never_asks_the_one_that_is_fuller_than_all_others() -> None:
    draw = random.Random(2).random
    places = [Place(0, 9), Place(1, 1), Place(2, 1)]
    counts = Counter(power_of_two(places, draw).name for _ in range(3000))
    assert counts[0] == 0
    assert counts[1] > 1000
    assert counts[2] > 1000


def test_power_of_two_draws_two_different_ones() -> None:
    draw = random.Random(3).random
    assert {power_of_two([Place(0, 5), Place(1, 0)], draw).name for _ in range(100)} == {1}
    assert power_of_two([Place(7, 5)], draw).name == 7


def test_round_robin_takes_each_in_turn_and_begins_anywhere() -> None:
    places = [Place(number) for number in range(3)]
    firsts = set()
    for seed in range(20):
        take = RoundRobin(random.Random(seed).random)
        names = [take(places).name for _ in range(9)]
        assert Counter(names) == {0: 3, 1: 3, 2: 3}
        assert names[:3] == names[3:6]
        firsts.add(names[0])
    assert firsts == {0, 1, 2}


def test_share_is_the_probability_to_stay_a_candidate() -> None:
    draw = random.Random(4).random
    kept = Counter(name for _ in range(4000) for name in thinned("abc", [1.0, 0.25, 0.0], draw))
    assert kept["a"] == 4000
    assert 850 < kept["b"] < 1150
    assert kept["c"] == 0
    assert thinned("c", [0.0], draw) == "c"


def by_header(urls: list[str] = URLS) -> Affinity:
    return Affinity(Balance(affinity_header="X-User"), urls)


def test_header_key_is_its_value_in_any_case_of_the_name() -> None:
    affinity = by_header()
    assert affinity.key([(b"Host", b"h"), (b"x-uSER", b"alice")]) == b"alice"
    assert affinity.key([(b"Host", b"h"), (b"X-User-Id", b"alice")]) is None
    assert affinity.set_cookie(b"alice", 0) is None


def test_keys_are_even_and_only_those_of_a_lost_address_move() -> None:
    affinity = by_header()
    keys = [b"user-%d" % number for number in range(5000)]
    before = {key: affinity.owner(key) for key in keys}
    assert all(850 < count < 1150 for count in Counter(before.values()).values())
    after = {key: affinity.owner(key, [0, 1, 3, 4]) for key in keys}
    assert {before[key] for key in keys if before[key] != after[key]} == {2}
    assert all(
        250 / 1.4 < count < 250 * 1.4
        for count in Counter(after[key] for key in keys if before[key] == 2).values()
    )


def test_order_of_the_addresses_makes_no_difference() -> None:
    forth, back = by_header(), by_header(URLS[::-1])
    for number in range(200):
        key = b"%d" % number
        assert URLS[forth.owner(key)] == URLS[::-1][back.owner(key)]


def by_cookie() -> Affinity:
    return Affinity(Balance(affinity_cookie="at", cookie_attributes="Path=/; Secure"), URLS)


@pytest.mark.parametrize("number", range(5))
def test_cookie_leads_back_to_the_address_that_set_it(number: int) -> None:
    affinity = by_cookie()
    field = affinity.set_cookie(None, number)
    assert field is not None
    name, value = field
    assert name == b"Set-Cookie"
    pair, _, attributes = value.partition(b"; ")
    assert attributes == b"Path=/; Secure"
    key = affinity.key([(b"Cookie", b"a=b; " + pair + b";c=d")])
    assert key is not None
    assert affinity.owner(key) == number
    assert affinity.set_cookie(key, number) is None
    moved = affinity.set_cookie(key, (number + 1) % 5)
    assert moved is not None
    assert moved[1] != value


@pytest.mark.parametrize(
    "cookie",
    [
        b"",
        b"at",
        b"at=",
        b"at=0123",
        b"at=0123456789ABCDEF",
        b"xat=0123456789abcdef",
        b'at="x"',
        b"at=../" * 3,
    ],
)
def test_cookie_that_we_would_not_have_set_is_none(cookie: bytes) -> None:
    assert by_cookie().key([(b"Cookie", cookie)]) is None


def test_cookie_tells_nothing_of_the_addresses() -> None:
    affinity = by_cookie()
    values = {affinity.set_cookie(None, 0) for _ in range(50)}
    assert len(values) == 50
