"""One buffer per event loop that every downstream connection receives into.

A read is handled to its end before the loop makes the next one, so they can all share: no allocation per
read, and no memory per connection. Knows nothing of what is received.
"""

from __future__ import annotations

from .per_loop import PerLoop

RECEIVE_BYTES = 2**18
"""Most bytes taken from a connection at once. It bounds what a slow reader holds: one read, less what the
kernel took."""


class ReceiveBuffer:
    """`view` is what is received into; its content is good until the loop's next read."""

    __slots__ = ("view",)

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECEIVE_BYTES))


receive_buffer = PerLoop(ReceiveBuffer)
"""The buffer of a loop."""
