"""Reads /proc: the CPU time and the memory of a process tree, the use of each core.

Linux only. Must not know what the processes are; it starts and stops nothing.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The fields of /proc/PID/stat used here. Times are in clock ticks."""

    pid: int
    name: str
    parent: int
    own: int
    reaped_children: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a tree, in KiB. `pss` shares out the pages that several processes map; `rss` counts them in each."""

    rss: int
    pss: int


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Ticks of one core since boot, from /proc/stat."""

    busy: int
    interrupts: int
    stolen: int
    total: int

    def __sub__(self, earlier: CoreTime) -> CoreTime:
        return CoreTime(
            self.busy - earlier.busy,
            self.interrupts - earlier.interrupts,
            self.stolen - earlier.stolen,
            self.total - earlier.total,
        )


def parse_stat(text: str) -> ProcessStat:
    """One line of /proc/PID/stat. The name may hold spaces and brackets, so split after the last one."""
    head, _, tail = text.rpartition(")")
    pid, _, name = head.partition(" (")
    fields = tail.split()
    # Fields 14 to 17 of proc(5) are utime, stime, cutime, cstime; `fields` starts at field 3.
    user, system, child_user, child_system = (int(value) for value in fields[11:15])
    return ProcessStat(int(pid), name, int(fields[1]), user + system, child_user + child_system)


def parse_core_times(text: str) -> dict[int, CoreTime]:
    """The `cpuN` lines of /proc/stat, by core number."""
    cores: dict[int, CoreTime] = {}
    for line in text.splitlines():
        label, _, rest = line.partition(" ")
        if not label.startswith("cpu") or label == "cpu":
            continue
        user, nice, system, idle, iowait, irq, softirq, steal = (int(value) for value in rest.split()[:8])
        interrupts = irq + softirq
        busy = user + nice + system + interrupts
        cores[int(label[3:])] = CoreTime(busy, interrupts, steal, busy + idle + iowait + steal)
    return cores


def core_times() -> dict[int, CoreTime]:
    """The present times of every core."""
    return parse_core_times((PROC / "stat").read_text())


def _all_stats() -> dict[int, ProcessStat]:
    found: dict[int, ProcessStat] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            found[stat.pid] = stat
    return found


def tree(root: int) -> list[ProcessStat]:
    """The process and all its descendants, parents before children; empty when it is gone."""
    stats = _all_stats()
    if root not in stats:
        return []
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found: list[ProcessStat] = []
    queue = [root]
    while queue:
        pid = queue.pop(0)
        found.append(stats[pid])
        queue.extend(children.get(pid, ()))
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, with that of children that ended and were waited for.

    Living processes are read from their own clock, in nanoseconds: a lightly loaded process uses fewer ticks
    of 10 ms in a second than a ratio needs.
    """
    return sum(_own_seconds(stat) + stat.reaped_children / TICKS for stat in tree(root))


def _own_seconds(stat: ProcessStat) -> float:
    # The clock of another process, as clock_getcpuclockid(3) names it: all of its threads, ended ones too.
    try:
        return time.clock_gettime((~stat.pid << 3) | 2)
    except OSError:
        return stat.own / TICKS


def memory(root: int) -> Memory:
    """Resident memory of the tree."""
    rss = pss = 0
    for stat in tree(root):
        try:
            lines = (PROC / str(stat.pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in lines:
            key, _, value = line.partition(":")
            if key == "Rss":
                rss += int(value.split()[0])
            elif key == "Pss":
                pss += int(value.split()[0])
    return Memory(rss, pss)
