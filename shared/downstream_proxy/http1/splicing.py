"""Bytes from one socket to another inside the kernel (splice(2), Linux): large content is not copied through
this process.

What it is for: the middle of a large response that is relayed as it comes, between two plain sockets.
What it must not know: HTTP, and what the bytes mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from weakref import WeakKeyDictionary

STEP = 2**18
"""Most bytes between the two sockets at a time. It bounds what a slow reader holds, as one read does."""

MOST = 2**20
"""Bytes moved before the loop gets its turn."""

SPLICE_FROM = 2**17
"""Bytes of content still to come that make it worth its system calls."""

UNSPLICED = 2**14
"""The last of a content's bytes, which are read: with them it is decided how the response ends."""


class Channel:
    """The pipe that splice(2) needs between two sockets; empty whenever nobody is moving anything.

    The pieces that a socket gives may be small, so the pipe is given room for more of them than STEP bytes
    would need, if the system allows it.
    """

    __slots__ = ("_read", "_write")

    def __init__(self, ends: tuple[int, int]) -> None:
        self._read, self._write = ends
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, MOST)

    def move(self, source: int, target: int, most: int) -> tuple[int, bytes]:
        """Move up to `most` bytes that wait in the socket `source` to the socket `target`.

        Returns how many were taken, and the last of these that `target` had no room for, or refused because
        it is broken. Both descriptors must not block. A broken or ended `source` gives nothing:
        whoever reads it is told.
        """
        taken = 0
        while taken < most:
            try:
                left = os.splice(source, self._write, min(most - taken, STEP), flags=_FLAGS)
            except OSError:
                break
            if not left:
                break
            taken += left
            try:
                while left:
                    left -= os.splice(self._read, target, left, flags=_FLAGS)
            except OSError:
                return taken, self._drain(left)
        return taken, b""

    def _drain(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(self._read, size - len(data))
        return data

    def __del__(self) -> None:
        os.close(self._read)
        os.close(self._write)


_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if hasattr(os, "splice") else 0
_CHANNELS: WeakKeyDictionary[asyncio.AbstractEventLoop, Channel] = WeakKeyDictionary()


def channel(loop: asyncio.AbstractEventLoop) -> Channel | None:
    """The channel of this loop; None where the system has no splice, or no descriptors left."""
    found = _CHANNELS.get(loop)
    if found is None and hasattr(os, "splice"):
        with contextlib.suppress(OSError):
            found = _CHANNELS[loop] = Channel(os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
    return found
