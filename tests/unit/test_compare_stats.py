"""The comparison's statistics: medians, ratios within a round, percentiles, coordinated omission."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare.stats import correct_omission, paired_ratios, percentile, spread

pytestmark = pytest.mark.timeout(30)


def test_spread_gives_median_extremes_and_count() -> None:
    found = spread([3.0, 1.0, 2.0, 10.0])
    assert found is not None
    assert (found.median, found.low, found.high, found.count) == (2.5, 1.0, 10.0, 4)
    assert found.relative == pytest.approx(3.6)


def test_spread_of_nothing_is_none() -> None:
    assert spread([]) is None


def test_ratios_pair_rounds_and_skip_those_with_one_side() -> None:
    assert paired_ratios({0: 2.0, 1: 9.0, 2: 3.0}, {0: 1.0, 2: 2.0, 3: 5.0}) == [2.0, 1.5]


def test_ratios_skip_a_reference_of_zero() -> None:
    assert paired_ratios({0: 2.0}, {0: 0.0}) == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)])
def test_percentile_takes_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(1, 101)), share) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_omission_adds_what_a_stall_held_up() -> None:
    # One connection, due every 10 ms: a stall of 45 ms held up the requests due 10, 20, 30 and 40 ms later.
    ordered, added = correct_omission([1.0, 45.0, 1.0], 10.0)
    assert ordered == [1.0, 1.0, 5.0, 15.0, 25.0, 35.0, 45.0]
    assert added == 4


def test_omission_needs_an_interval() -> None:
    with pytest.raises(ValueError, match="interval"):
        correct_omission([1.0], 0)


@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=50), st.floats(1, 60))
def test_omission_never_lowers_a_percentile(latencies: list[float], interval: float) -> None:
    ordered, added = correct_omission(latencies, interval)
    assert len(ordered) == len(latencies) + added
    assert ordered == sorted(ordered)
    assert ordered[-1] == max(latencies)
    if max(latencies) <= interval:
        assert added == 0
