"""One of three origins is killed under load: no GET fails, it is left out at once, and asked again when it is
back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..backends import Backend
from .failover import failover, judge, written


@pytest.mark.timeout(120)
def test_killed_origin_costs_no_get_and_comes_back(backend: Backend, tmp_path: Path) -> None:
    judge(failover(backend, tmp_path, kills=1, interval=0.5))


def test_figures_replace_those_before_them() -> None:
    document = "before\n<!-- figures: failover -->\nold\n<!-- end of figures -->\nafter\n"
    once = written(document, "| new |\n")
    assert "old" not in once
    assert written(once, "| new |\n") == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
