"""An httpx client made per request against one that is kept."""

from __future__ import annotations

import time

from ..running import scene
from ..subjects import SUBJECTS
from ._crowd import visit

CLAIM = "Keeping one client is right: a client per request opens a connection each time and is slower."
TIMES = 50


def check() -> tuple[bool, str]:
    found = {}
    for name in ("recipe-httpx-per-request", "recipe-httpx-module"):
        with scene(SUBJECTS[name]) as stage:
            stage.ask("/warm")
            had = len(stage.origin.connections)
            began = time.monotonic()
            visit(stage, "/one", TIMES)
            took = (time.monotonic() - began) / TIMES
            found[name] = (len(stage.origin.connections) - had, took)
    (each, slow), (kept, fast) = found.values()
    why = f"{TIMES} requests: {each} new connections and {slow * 1000:.0f} ms each"
    why += f"; with one client {kept} and {fast * 1000:.0f} ms"
    return each >= TIMES > kept and slow > fast, why
