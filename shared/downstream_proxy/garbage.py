"""The garbage collector of a process that does nothing but serve.

What it is for: Python's defaults look for cycles after 700 new objects, which under load is every few
requests, and each look walks over what all open connections hold. A proxy's objects are freed by their
reference counts; what cycles there are come from failures.
What it must not know: anything that is served. Not for a process that others share: `serve` is ours alone.
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New objects between two looks at the youngest; about 3 MiB of the smallest kind."""


def tune_collector() -> None:
    """Look rarely, and never again at what the start has made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
