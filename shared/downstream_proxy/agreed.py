"""The settings that a supervisor has agreed to, where its workers find them.

What it is for: one decision for all. Workers that read the file themselves could each see another one, as it
may be changed again, or be half written, between the supervisor's look and theirs.
What it must not know: where settings come from, what is done with them.
"""

from __future__ import annotations

import os
import pickle
import struct
import tempfile

from .settings import Settings

_PLACE = struct.Struct("=QQ")


class AgreedSettings:
    """A nameless file that forked workers share. One process writes."""

    def __init__(self, settings: Settings) -> None:
        self._fd = _nameless_file()
        self._end = _PLACE.size
        self.put(settings)

    def put(self, settings: Settings) -> None:
        """Raises OSError when there is no room."""
        data = pickle.dumps(settings)
        # Behind what is there: somebody may be reading that. Then the few bytes that say where to look.
        os.pwrite(self._fd, data, self._end)
        os.pwrite(self._fd, _PLACE.pack(self._end, len(data)), 0)
        self._end += len(data)

    def get(self) -> Settings:
        """The newest."""
        start, size = _PLACE.unpack(os.pread(self._fd, _PLACE.size, 0))
        settings: Settings = pickle.loads(os.pread(self._fd, size, start))
        return settings


def _nameless_file() -> int:
    """In memory where the system has that: a container's file system may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("settings")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
