"""Ends what a test run started and could not end itself, because it was killed.

A guard, a process of its own, reads its standard input, which ends however the run ends, and then ends every
process that the run has started. It looks for them all the time, as a process whose parent has died no longer
says where it comes from; one that is younger than the last look is known by a mark in its environment, which
some programs (nginx, Redis) overwrite. Linux only: elsewhere there is no /proc.
This file is also the guard's program, so it imports nothing of this package. It must not know tests, servers.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "SUITE_RUN"
LOOK_SECONDS = 0.5
GRACE_SECONDS = 3.0  # between SIGTERM and SIGKILL

Known = dict[int, str]
"""Process ids, each with the time at which it started: an id alone may belong to somebody else by now."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Whatever is started inside the block ends with it or with this process; what runs already goes on."""
    if not sys.platform.startswith("linux"):
        yield
        return
    mark, before, others = uuid.uuid4().hex, os.environ.get(MARK), children(os.getpid())
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark, str(os.getpid()), *map(str, others)],
        stdin=subprocess.PIPE,
        # Kept out of what it looks for, and of the terminal's Ctrl-C.
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,
    )
    assert guard.stdin is not None
    os.environ[MARK] = mark
    try:
        yield
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before
        guard.stdin.close()
        guard.wait()


def main(mark: str, run: int, *others: int) -> None:
    spared = {run, os.getpid(), *others}
    known: Known = {}
    while not select.select([0], [], [], LOOK_SECONDS)[0]:
        known = look(known, [run], spared)
    number, deadline = signal.SIGTERM, time.monotonic() + GRACE_SECONDS
    told: Known = {}
    while known := look(known, [run, *marked(mark)], spared):
        if number == signal.SIGTERM and time.monotonic() >= deadline:
            number, told = signal.SIGKILL, {}
        for pid, started in known.items():
            if told.get(pid) != started:
                told[pid] = started
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        if time.monotonic() >= deadline + GRACE_SECONDS:
            break  # what not even SIGKILL ends waits for a disk
        time.sleep(0.02)


def look(known: Known, roots: list[int], spared: set[int]) -> Known:
    """Who lives of `known` and `roots` and all that descend from them, but for `spared`."""
    queue = list(dict.fromkeys([*(pid for pid, started in known.items() if birth(pid) == started), *roots]))
    for pid in queue:  # grows on the way
        queue += [child for child in children(pid) if child not in spared and child not in queue]
    return {pid: started for pid in queue if pid not in spared and (started := birth(pid))}


def birth(pid: int) -> str:
    """When the process started; empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def children(pid: int) -> list[int]:
    """Of any of its threads. None where the kernel was built without this list."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def marked(mark: str) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
