"""Counts of rate limits with a fake clock: windows, what is forgotten, what happens when nothing answers."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest
from downstream_proxy.errors import ErrorKind
from downstream_proxy.message import HeaderPairs, IncomingRequest
from downstream_proxy.preflight import preflight
from downstream_proxy.rate_limits import (
    PAUSE,
    Counts,
    RateLimitedError,
    RateLimits,
    counts_apart,
    network,
)
from downstream_proxy.rate_memory import BoundedMemory, FullError
from downstream_proxy.settings import Settings
from downstream_proxy.settings_rates import RateLimit, RateStorage
from downstream_proxy.settings_source import ConfigurationError
from pydantic import ValidationError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_moving_window_gives_back_one_by_one() -> None:
    clock = Clock()
    memory = BoundedMemory(10, clock)
    granted = []
    for second in range(5):
        clock.now = 1000.0 + second
        granted.append(await memory.acquire_entry("a", 2, 3))
    # The first two of any three seconds: what came at 0 is forgotten at 3, what came at 1 at 4.
    assert granted == [True, True, False, True, True]
    assert await memory.get_moving_window("a", 2, 3) == (1003.0, 2)


async def test_fixed_window_begins_anew() -> None:
    clock = Clock()
    memory = BoundedMemory(10, clock)
    assert [await memory.incr("a", 3) for _ in range(2)] == [1, 2]
    clock.now += 3
    assert await memory.get("a") == 0
    assert await memory.incr("a", 3) == 1
    assert await memory.get_expiry("a") == clock.now + 3


async def test_what_has_expired_makes_room_and_the_bound_holds() -> None:
    clock = Clock()
    memory = BoundedMemory(100, clock)
    for number in range(100):
        await memory.incr(f"old-{number}", 1)
    with pytest.raises(FullError):
        await memory.incr("new", 1)
    assert await memory.incr("old-7", 1) == 2
    clock.now += 2
    for number in range(50):
        await memory.acquire_entry(f"new-{number}", 1, 1)
    assert len(memory) == 50


def limits(storage: RateStorage, clock: Clock, *rules: RateLimit) -> tuple[RateLimits, Counts]:
    counts = Counts(storage, clock)
    rules = rules or (RateLimit(limits=("1/hour",)),)
    return RateLimits("api", rules, counts, lambda request: request.peer, storage.fields), counts


def asking(peer: str, *headers: tuple[bytes, bytes]) -> IncomingRequest:
    return IncomingRequest(b"GET", b"/", list(headers), peer=peer)


async def test_full_memory_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    closed, counts = limits(RateStorage(max_keys=1, outage="closed"), Clock())
    await closed.admit(asking("192.0.2.1"))
    with caplog.at_level(logging.ERROR), pytest.raises(RateLimitedError) as refused:
        await closed.admit(asking("192.0.2.2"))
    assert refused.value.kind is ErrorKind.RATE_LIMIT_UNAVAILABLE
    assert "1 counts are kept already" in caplog.text
    assert (counts.up, counts.outages, counts.unchecked) == (False, 1, 1)


async def test_storage_that_hangs_is_asked_once_per_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    rates, counts = limits(RateStorage(timeout=0.01), clock)
    asked = 0

    async def hang(*_: object) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(rates, "_admit", hang)
    assert [await rates.admit(asking("192.0.2.1")) for _ in range(3)] == [[], [], []]
    assert (asked, counts.unchecked, counts.outages) == (1, 3, 1)
    clock.now += PAUSE
    monkeypatch.undo()
    assert await rates.admit(asking("192.0.2.1"))
    assert counts.up


async def test_refusal_means_that_the_storage_answers_again() -> None:
    rates, counts = limits(RateStorage(), Clock())
    await rates.admit(asking("192.0.2.1"))
    counts.up = False
    with pytest.raises(RateLimitedError) as refused:
        await rates.admit(asking("192.0.2.1"))
    assert refused.value.kind is ErrorKind.RATE_LIMITED
    assert counts.up


async def test_fields_are_left_out_when_not_wanted() -> None:
    rates, _ = limits(RateStorage(fields=False), Clock())
    assert await rates.admit(asking("192.0.2.1")) == []
    with pytest.raises(RateLimitedError) as refused:
        await rates.admit(asking("192.0.2.1"))
    fields: HeaderPairs = refused.value.fields
    assert [name for name, _ in fields] == [b"Retry-After"]


async def test_rules_of_one_limit_do_not_count_in_each_others_place() -> None:
    """Without the header a rule counts by the client, as another one may."""
    rules = [
        RateLimit(limits=("2/hour",), key=key, window=window)
        for key in ("client", "header:x-api-key")
        for window in ("moving", "fixed")
    ]
    rates, _ = limits(RateStorage(), Clock(), *rules)
    for _ in range(2):
        await rates.admit(asking("192.0.2.1"))
    with pytest.raises(RateLimitedError):
        await rates.admit(asking("192.0.2.1"))


@pytest.mark.parametrize(
    ("client", "shared"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unix"),
    ],
)
def test_ipv6_is_counted_by_network(client: str, shared: str) -> None:
    assert network(client) == shared


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"limits": "fast"}, "not a rate"),
        ({"limits": ["10/fortnight"]}, "not a rate"),
        ({"limits": []}, "at least 1"),
        ({"limits": "1/second", "key": "cookie:a"}, "not a key"),
    ],
)
def test_rule_that_makes_no_sense_is_refused(table: dict[str, object], named: str) -> None:
    downstream = {"url": "http://127.0.0.1:9", "rate_limits": [table]}
    with pytest.raises(ValidationError, match=named):
        Settings.model_validate({"downstreams": {"api": downstream}})


@pytest.mark.parametrize(("storage", "workers", "apart"), [("memory://", 2, True), ("memory://", 1, False)])
def test_workers_that_count_apart_are_noticed(storage: str, workers: int, apart: bool) -> None:
    api = {"url": "http://127.0.0.1:9", "rate_limits": [{"limits": "1/second"}]}
    table = {"downstreams": {"api": api}, "workers": workers, "rate_limits": {"storage": storage}}
    assert counts_apart(Settings.model_validate(table)) is apart
    assert not counts_apart(Settings(downstream="http://127.0.0.1:9", workers=workers))


@pytest.mark.parametrize(
    ("missing", "table", "extra"),
    [
        ("limits", {"rate_limits": [{"limits": "1/second"}]}, "[limits]"),
        ("redis", {"rate_limits": [{"limits": "1/second"}]}, "[redis]"),
        ("opentelemetry.sdk", {}, "[otel]"),
    ],
)
def test_library_that_is_not_there_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str, table: dict[str, object], extra: str
) -> None:
    for name in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "downstream_proxy.rate_memory", raising=False)
    settings = {
        "downstreams": {"api": {"url": "http://127.0.0.1:9", **table}},
        "rate_limits": {"storage": "redis://127.0.0.1:9" if missing == "redis" else "memory://"},
        "tracing": missing.startswith("opentelemetry"),
    }
    with pytest.raises(ConfigurationError) as refused:
        preflight(Settings.model_validate(settings))
    assert f"pip install 'downstream-proxy{extra}'" in str(refused.value)
