"""`requests` in a `def` endpoint, asked by 80 users at once of a downstream that takes two seconds."""

from __future__ import annotations

from ..running import scene
from ..subjects import SUBJECTS
from ._crowd import crowd, slow_origin

CLAIM = "`requests` in a `def` endpoint serves at most 40 users at once, the size of the thread pool."
SECONDS = 2.0


def check() -> tuple[bool, str]:
    took = {}
    for name in ("recipe-requests-def", "recipe-httpx-module"):
        with scene(SUBJECTS[name]) as stage:
            slow_origin(stage, SECONDS)
            crowd(stage, "/slow", 40)
            took[name], _ = crowd(stage, "/slow", 80)
    threads, loop = took.values()
    return (
        threads >= 2 * SECONDS > loop,
        f"80 users of a {SECONDS:.0f} s downstream: {threads:.2f} s; with an async client {loop:.2f} s",
    )
