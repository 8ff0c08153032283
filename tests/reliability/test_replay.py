"""Case 57: a stale idle connection costs no GET and doubles no POST."""

from __future__ import annotations

import pytest

from .bench import Factory, run
from .replay import judge, replay


@pytest.mark.timeout(120)
def test_gets_survive_and_posts_come_once(factory: Factory) -> None:
    judge(run(replay(factory)))
