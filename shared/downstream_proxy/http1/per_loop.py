"""What all connections of one event loop share: made when it is asked for first, gone with its loop.

Knows nothing of what that is. It must not hold the loop, or neither would ever go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Made = TypeVar("Made")


class PerLoop(Generic[Made]):
    """Called with a loop, gives that loop's own."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, Made] = WeakKeyDictionary()

    def __call__(self, loop: asyncio.AbstractEventLoop) -> Made:
        made = self._made.get(loop)
        if made is None:
            made = self._made[loop] = self._make()
        return made
