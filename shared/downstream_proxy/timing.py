"""Where the time of a request went, for those that did not go straight through.

Knows durations only, in seconds. A request that found a place and a kept connection at once has none of this.
"""

from __future__ import annotations


class Waits:
    """What came between a request's begin and the sending of the attempt that was answered.

    queue: waiting for a place. connect: making a connection. retries: earlier attempts and the pauses behind
    them, whatever they were spent on.
    """

    __slots__ = ("connect", "queue", "retries")

    def __init__(self) -> None:
        self.queue = 0.0
        self.connect = 0.0
        self.retries = 0.0

    def again(self, seconds: float) -> None:
        """Another attempt begins, `seconds` after the request did."""
        self.connect = 0.0
        self.retries = seconds - self.queue

    def named(self) -> tuple[tuple[str, float], ...]:
        return ("queue", self.queue), ("connect", self.connect), ("retries", self.retries)

    @property
    def total(self) -> float:
        return self.queue + self.connect + self.retries
