"""Starts holder.py and waits until its connections are there. Must not know the proxy."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from . import holder
from .pin import pinned


class HoldError(Exception):
    """The connections could not be opened; the text says why."""


@contextmanager
def held(
    port: int,
    count: int,
    mode: Literal["idle", "stream"],
    path: str,
    *,
    cores: Collection[int],
    limit: float = 120.0,
) -> Iterator[None]:
    """Keep `count` connections to 127.0.0.1:`port` open during the block. Raises HoldError."""
    script = str(Path(holder.__file__).resolve())
    command = pinned([sys.executable, "-I", "-S", script, str(port), str(count), mode, path], cores)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], limit)
        if not ready:
            raise HoldError(f"{count} connections were not open after {limit:.0f} s")
        if not process.stdout.readline():
            words = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise HoldError(words[-1] if words else "the holder ended")
        yield
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
