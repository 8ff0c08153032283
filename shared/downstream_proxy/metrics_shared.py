"""The metrics of forked workers added up, so that whichever of them is scraped tells of all.

Each worker writes what it counts into its slot of memory that they share; the one that is asked adds the
others' to its own. What was counted in a slot outlives the worker that counted it. Must not know what is
counted, nor how workers are started.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
import time
import zlib
from collections.abc import Iterable
from typing import Final

from .metrics_families import Family, joined

logger = logging.getLogger("downstream_proxy")

EVERY: Final = 1.0
"""Seconds between two writes."""

_STALE: Final = 5 * EVERY
"""Seconds after which what a slot says of the present is not believed: its worker hangs, or is gone."""

_HALF: Final = 1 << 20
_SEQUENCE: Final = struct.Struct("=Q")
_HEAD: Final = struct.Struct("=IId")  # checksum, bytes, when written (time.monotonic is the same in all)
_TRIES: Final = 8


class Slot:
    """The memory of one worker: two halves written in turn, so that the last whole one can be read always.

    A worker that is killed while it writes leaves the other half as it was.
    """

    def __init__(self) -> None:
        # Pages that are never written take no memory.
        self._memory = mmap.mmap(-1, _SEQUENCE.size + 2 * (_HEAD.size + _HALF))

    def write(self, content: bytes) -> None:
        """Raises ValueError when it does not fit."""
        if len(content) > _HALF:
            raise ValueError(f"{len(content)} bytes of metrics are more than {_HALF}")
        sequence = self._sequence() + 1
        at = self._half(sequence)
        self._memory[at + _HEAD.size : at + _HEAD.size + len(content)] = content
        _HEAD.pack_into(self._memory, at, zlib.crc32(content), len(content), time.monotonic())
        _SEQUENCE.pack_into(self._memory, 0, sequence)

    def read(self) -> tuple[bytes, float]:
        """What was written last and its age in seconds; b"" when nothing was, or it cannot be had whole."""
        for _ in range(_TRIES):
            sequence = self._sequence()
            if not sequence:
                break
            at = self._half(sequence)
            checksum, size, written = _HEAD.unpack_from(self._memory, at)
            content = self._memory[at + _HEAD.size : at + _HEAD.size + min(size, _HALF)]
            if zlib.crc32(content) == checksum:
                return content, time.monotonic() - written
        return b"", 0.0

    def _sequence(self) -> int:
        sequence: int = _SEQUENCE.unpack_from(self._memory)[0]
        return sequence

    @staticmethod
    def _half(sequence: int) -> int:
        return _SEQUENCE.size + sequence % 2 * (_HEAD.size + _HALF)


class WorkerMetrics:
    """The metrics of one worker among others. Make it in the worker, and `slots` before forking."""

    def __init__(self, slots: list[Slot], number: int) -> None:
        self._own = slots[number]
        self._others = [slot for slot in slots if slot is not self._own]
        self._before = _lasting(_decode(self._own.read()[0]))
        self._too_big = False

    def publish(self, families: Iterable[Family]) -> None:
        """Let the others know what this worker counts."""
        try:
            self._own.write(_encode(self._with_earlier(families)))
        except ValueError as error:
            if not self._too_big:
                self._too_big = True
                logger.error("the other workers do not see this one's metrics: %s", error)

    def total(self, families: Iterable[Family]) -> list[Family]:
        """What this worker and all others count."""
        others = []
        for slot in self._others:
            content, age = slot.read()
            found = _decode(content)
            others.append(found if age < _STALE else _lasting(found))
        return joined([self._with_earlier(families), *others])

    def _with_earlier(self, families: Iterable[Family]) -> list[Family]:
        return joined([[*families, _reporting()], self._before])


def _reporting() -> Family:
    return Family(
        "downstream_proxy_workers", "gauge", "Workers whose metrics are in the sums.", (), {(): 1.0}
    )


def _lasting(families: list[Family]) -> list[Family]:
    """Without what speaks of the present."""
    return [family for family in families if family.kind != "gauge"]


def _encode(families: list[Family]) -> bytes:
    return json.dumps(
        [
            (f.name, f.kind, f.about, f.labels, f.joined, [(k, v) for k, v in f.samples.items()])
            for f in families
        ],
        separators=(",", ":"),
    ).encode()


def _decode(content: bytes) -> list[Family]:
    return [
        Family(name, kind, about, tuple(labels), {tuple(k): v for k, v in samples}, rule)
        for name, kind, about, labels, rule, samples in json.loads(content or b"[]")
    ]
