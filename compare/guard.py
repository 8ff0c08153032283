"""Runs one program and makes sure that nothing of it outlives the runner.

Started as a file of its own (`python guard.py CORES -- PROGRAM ARG...`), so it imports only
the standard library and nothing of this package. It writes the program's pid as one line
to stdout and then waits. When its stdin closes, because the runner asked for the end or
died, it sends SIGTERM to the program, waits GRACE seconds, and kills what is left of the
tree, each process by its own pid. As a "child subreaper" it inherits processes whose parent
died, so that a worker without its master is found as well. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
FIRST = -19  # the highest of the ordinary priorities
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _children() -> list[int]:
    """Pids whose parent is this process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(name))
    return found


def _reap() -> bool:
    """Collect ended children; True while some still live."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _end_all(program: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(program, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while _reap():
        if time.monotonic() >= deadline:
            # Killing a parent hands its children to us, so the next turn finds them.
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def first_in_line() -> bool:
    """Give this process and its children precedence over whatever else runs; False when that is not allowed.

    Linux weighs sessions against each other before it looks at a process's own priority, so both are raised.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(FIRST))
    except FileNotFoundError:
        return True  # a kernel without such groups
    except OSError:
        return False
    return True


def main(argv: list[str]) -> int:
    cores, separator, *command = argv
    if separator != "--" or not command:
        raise SystemExit("usage: guard.py CORES -- PROGRAM ARG...")
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    first_in_line()
    guard = os.getpid()
    program = os.fork()
    if program == 0:
        try:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(127)
            if cores != "all":
                os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
            quiet = os.open(os.devnull, os.O_RDWR)
            os.dup2(quiet, 0)
            os.dup2(2, 1)  # stdout belongs to the guard's protocol; the program's goes to the log
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"cannot start {command[0]}: {error}\n".encode())
        os._exit(127)
    os.write(1, f"{program}\n".encode())
    ended = os.pidfd_open(program)
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(ended, select.POLLIN)
    poll.poll()
    _end_all(program)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
