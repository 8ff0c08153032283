"""Case 67: a client that leaves takes its exchange with it, at whatever stage that is."""

from __future__ import annotations

import pytest

from .bench import Factory, run
from .leaving import leaving, rounds_of


@pytest.mark.timeout(300)
def test_nothing_is_left_of_clients_that_leave(factory: Factory) -> None:
    for tally in run(leaving(factory)):
        assert tally.rounds == rounds_of(tally.stage, factory.scale.rounds)
