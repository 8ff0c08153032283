"""Cases 73, 74, 75 and 77: more than there is room for."""

from __future__ import annotations

import pytest

from .bench import Factory, percentile, run
from .overload import judge, no_descriptors, overload, stuck_neighbour


@pytest.mark.timeout(90)
def test_ten_times_the_capacity(factory: Factory) -> None:
    judge(run(overload(factory)))


def test_a_stuck_downstream_does_not_starve_its_neighbour(factory: Factory) -> None:
    assert percentile(run(stuck_neighbour(factory)), 0.99) < 0.25


def test_running_out_of_descriptors_is_survived(factory: Factory) -> None:
    _, well = run(no_descriptors(factory))
    assert well < 3.0
