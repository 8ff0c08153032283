"""All faults at once: no client is lied to, and nothing is left over."""

from __future__ import annotations

import pytest

from .bench import Factory, run
from .chaos import chaos, judge


@pytest.mark.timeout(0)
def test_mixed_traffic_over_all_faults(factory: Factory) -> None:
    judge(run(chaos(factory)))
