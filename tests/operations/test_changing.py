"""Under traffic of all kinds, reloads and restarts lose no request and double no POST."""

from __future__ import annotations

import shutil

import pytest

from ..reliability.bench import run
from .changing import Bench, crashes, hammered, judge, reloads, restarts


@pytest.mark.timeout(120)
def test_reloads_lose_no_request_and_double_no_post(bench: Bench) -> None:
    judge(run(reloads(bench)))


@pytest.mark.timeout(180)
def test_restarts_lose_no_request_and_double_no_post(bench: Bench) -> None:
    change = run(restarts(bench))
    judge(change)
    assert change.tally.going_away, "no WebSocket was told to go elsewhere"


@pytest.mark.timeout(120)
def test_a_crash_costs_what_the_worker_held_and_no_post_is_doubled(bench: Bench) -> None:
    change = run(crashes(bench))
    assert not change.tally.doubled
    # A client that does not keep its connection has at most one request at a worker that dies.
    assert change.tally.lost["GET, new connection"] <= 4 * bench.scale.crashes, change.tally.how


@pytest.mark.timeout(180)
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "closed"])
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_at_full_speed_sees_no_error(bench: Bench, keep: bool) -> None:
    seen = run(hammered(bench, keep))
    assert seen.reloads
    assert seen.restarts
    assert not seen.errors, seen
