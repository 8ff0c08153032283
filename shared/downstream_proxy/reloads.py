"""How the reloads of a process went: counts that its forked workers share.

What it is for: one truth over all workers, whichever of them is asked, and also after one was replaced.
What it must not know: what is loaded, and from where.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Sequence

_COUNTS = struct.Struct("=QQdH")
_TEXT = 4096


class Reloads:
    """Make it before forking. Who decides about a reload writes: the supervisor, or the only process.

    succeeded, failed: times. last_success: Unix time in seconds of the configuration in use, the start's at
    first. problems: why the last reload failed, a line each; empty when it did not.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNTS.size + _TEXT)
        self._write(0, 0, time.time(), b"")

    @property
    def succeeded(self) -> int:
        return self._read()[0]

    @property
    def failed(self) -> int:
        return self._read()[1]

    @property
    def last_success(self) -> float:
        return self._read()[2]

    @property
    def problems(self) -> tuple[str, ...]:
        size = self._read()[3]
        text = self._memory[_COUNTS.size : _COUNTS.size + size].decode("utf-8", "replace")
        return tuple(text.split("\n")) if text else ()

    def success(self) -> None:
        self._write(self.succeeded + 1, self.failed, time.time(), b"")

    def failure(self, problems: Sequence[str]) -> None:
        self._write(self.succeeded, self.failed + 1, self.last_success, "\n".join(problems).encode()[:_TEXT])

    def _read(self) -> tuple[int, int, float, int]:
        succeeded, failed, last_success, size = _COUNTS.unpack_from(self._memory)
        return succeeded, failed, last_success, size

    def _write(self, succeeded: int, failed: int, last_success: float, text: bytes) -> None:
        self._memory[_COUNTS.size : _COUNTS.size + len(text)] = text
        _COUNTS.pack_into(self._memory, 0, succeeded, failed, last_success, len(text))
