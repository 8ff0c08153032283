"""Replaces itself by a command that runs on given cores and dies with the process that started it.

Run as a file of its own: `python pin.py PARENT CORES COMMAND ARG...`; only the standard library. It also
makes room for many open files before the command starts: when a process with threads (h2load, for one)
outgrows its table of open files at 64, 128, 256, ..., the kernel lets the call that opened the
file wait about 10 ms for other cores to take notice, which shows as a gap in the load. Linux only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Collection
from pathlib import Path

PR_SET_PDEATHSIG = 1
ROOM = 4096


def pinned(command: list[str], cores: Collection[int]) -> list[str]:
    """The command line that runs `command` so; the caller's process is the parent."""
    script = str(Path(__file__).resolve())
    listed = ",".join(map(str, sorted(cores)))
    return [sys.executable, "-I", "-S", script, str(os.getpid()), listed, *command]


def make_room() -> None:
    """Let the table of open files grow now: it keeps its size over exec, which closes the high number."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    high = ROOM - 1 if soft == resource.RLIM_INFINITY else min(ROOM, soft) - 1
    fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, high)


def main(argv: list[str]) -> None:
    parent, cores, *command = argv
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise SystemExit("prctl failed")
    if os.getppid() != int(parent):
        raise SystemExit("the parent has gone")
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    make_room()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise SystemExit(f"cannot start {command[0]}: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
