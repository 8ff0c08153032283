"""`requests` in an `async def` endpoint, asked by ten users at once."""

from __future__ import annotations

from ..running import scene
from ..subjects import SUBJECTS
from ._crowd import crowd, slow_origin

CLAIM = "`requests` in an `async def` endpoint serves one user at a time: the event loop stands still."


def check() -> tuple[bool, str]:
    with scene(SUBJECTS["recipe-requests-async"]) as stage:
        slow_origin(stage, 0.2)
        seconds, _ = crowd(stage, "/slow", 10)
    return seconds >= 10 * 0.2, f"10 users of a 0.2 s downstream: {seconds:.2f} s"
