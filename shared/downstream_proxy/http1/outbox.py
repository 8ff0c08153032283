"""Small messages of one turn of the event loop leave together at its end.

What it is for: a message wakes the process at the other end, and where that is on the same machine, waking it
costs more than sending. Of messages that leave one behind the other, only the first finds it asleep.
What it must not know: HTTP, and what the messages mean.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .per_loop import PerLoop

MOST_WAITING = 256
"""Connections that may wait for the end of a turn; times SMALL of output.py, what may wait in memory."""

FEW = 3
"""Messages of one turn that are worth waiting for."""

ALONE = 64
"""Messages that leave at once after a turn that had fewer: under little load each would wait for itself, and
the loop would turn once more for it."""


class Waiting(Protocol):
    """A connection with a message that waits."""

    def release(self) -> None:
        """Send it."""


class Outbox:
    """Who waits for the end of the running loop's present turn."""

    __slots__ = ("_alone", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._alone = 0

    def takes(self, output: Waiting) -> bool:
        """Whether `output` will be released at the end of this turn; if not, it should send now."""
        if self._alone:
            self._alone -= 1
            return False
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self._leave)
        elif len(waiting) >= MOST_WAITING:
            return False
        waiting.append(output)
        return True

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        if len(waiting) < FEW:
            self._alone = ALONE
        for output in waiting:
            output.release()


outbox = PerLoop(Outbox)
"""The outbox of a loop."""
