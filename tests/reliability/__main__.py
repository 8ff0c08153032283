"""`python -m tests.reliability`: runs every scenario at full size and prints docs/reliability.md.

It must not know how a scenario works.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp

from ..backends import OURS
from . import chaos, leaving, memory, overload, replay
from .bench import Factory, Scale, percentile, run

FULL = Scale(readers=1_000, idle=10_000)

INTRO = """# Reliability

Nothing leaks, nothing hangs, nothing is sent twice. Every figure below is measured on a running server,
from outside: its counters over `/-/metrics`, its memory and descriptors in `/proc`, closes at the origin.
Origin and clients share the machine and one process, so times include theirs. The tests in
`tests/reliability` assert the same with less load; there is a flag for each size.

"""

SECTIONS = {
    "leaving": (
        "Clients that leave",
        "Clients leave at a random moment, half with FIN and half with RST, 16 at a time. The downstream "
        "must see the close within 250 ms. Behind all rounds no place is in use, nobody waits, no connection "
        "is open, tasks and descriptors are back where they were, and no downstream is blamed. `reached` "
        "counts rounds whose request had come to the origin. An unread upload is one that the downstream "
        "does not take, so that the proxy reads no more of it; those clients all reset. A WebSocket is "
        "logged as 101, which was its answer.",
        ("backend", "client leaves", "rounds", "reached", "close seen, p99", "slowest", "logged as 499"),
        "pytest tests/reliability/test_leaving.py --rounds 1000",
    ),
    "replay": (
        "Idle connections that the downstream closes",
        "The origin closes connections at random: idle, as a request arrives and before it is read, after"
        " it was read, or behind an answer that did not say so. 32 clients. A GET is sent again; a POST "
        "never is, and may fail with 502. `doubled` counts request numbers that the origin processed "
        "twice; for a GET that is allowed.",
        ("backend", "method", "requests", "closes", "retries", "failed", "doubled"),
        "pytest tests/reliability/test_replay.py --requests 10000",
    ),
    "overload": (
        "Ten times the capacity",
        "8 places and a queue of 16 in front of a service time of 50 ms: 160 requests a second. 1,600 a "
        "second arrive, each on a new connection, whatever became of those before. A request that finds "
        "the last place in the queue is explained by 150 ms. Refused means 503 with Retry-After.",
        ("backend", "requests", "count", "p50", "p99"),
        "pytest tests/reliability/test_overload.py --load-seconds 5",
    ),
    "limits": (
        "A stuck neighbour, and no descriptors",
        "A downstream that never answers has its places and its queue full while another is asked. Then "
        "the process may open 24 descriptors more and 72 clients come; they leave, and it must be well "
        "again.",
        ("backend", "what", "figure"),
        "pytest tests/reliability/test_overload.py",
    ),
    "transfers": (
        "Large bodies",
        "The peak of resident memory over the idle process, while one body passes and one side dawdles. "
        "The limit is 32 MiB.",
        ("backend", "direction", "framing", "slow side", "size", "above idle"),
        "pytest tests/reliability/test_memory.py -k large --mib 1024",
    ),
    "many": (
        "Many connections",
        "Resident memory for each connection. A slow reader has asked for 100 MiB and reads nothing: what"
        " it costs is what was read from the downstream before it was paused, part of it in the "
        "connection's write buffer. An idle client was served once.",
        ("backend", "connections", "count", "each"),
        "pytest tests/reliability/test_memory.py --readers 1000 --idle 10000",
    ),
    "chaos": (
        "All faults at once",
        "Resets, stalls, drips, wrong lengths, early closes, early answers and restarts, from one seed, "
        "with uploads, WebSockets and clients that leave. Each answer is the right one and complete, or a "
        "visible error of the table, and no POST comes twice. At the end every counter is 0, tasks and"
        " descriptors are back, and the log has no traceback. `growth` is "
        "the median of resident memory in the last quarter over that in the second.",
        (
            "backend",
            "seconds",
            "requests",
            "right",
            "tunnels",
            "problem documents",
            "cut off",
            "left",
            "growth",
        ),
        "pytest tests/reliability/test_chaos.py --chaos-seconds 3600",
    ),
}

T = TypeVar("T")
Rows = list[tuple[str, ...]]


def collect(factory: Factory, section: str) -> tuple[Rows, list[str]]:
    """The rows of a section for one backend, and what does not hold."""
    problems: list[str] = []

    def held(judge: Callable[[T], None], result: T) -> T:
        try:
            judge(result)
        except AssertionError as error:
            problems.append(f"{factory.backend.name}: {error}")
        return result

    if section == "leaving":
        rows = [tally.row() for tally in run(leaving.leaving(factory))]
    elif section == "replay":
        rows = [outcome.row() for outcome in held(replay.judge, run(replay.replay(factory)))]
    elif section == "overload":
        rows = held(overload.judge, run(overload.overload(factory))).rows()
    elif section == "limits":
        times = run(overload.stuck_neighbour(factory))
        _, well = run(overload.no_descriptors(factory))
        rows = [
            ("neighbour of a stuck downstream, p99", f"{percentile(times, 0.99) * 1000:.1f} ms"),
            ("well again after descriptors ran out", f"{well * 1000:.0f} ms"),
        ]
    elif section == "transfers":
        rows = [transfer.row() for transfer in run(memory.transfers(factory))]
    elif section == "many":
        rows = [run(memory.slow_readers(factory)).row(), run(memory.idle_clients(factory)).row()]
    else:
        rows = [held(chaos.judge, run(chaos.chaos(factory))).row()]
    return rows, problems


def document(found: dict[str, dict[str, Rows]]) -> str:
    """The page. `found`: rows by backend and section."""
    parts = [INTRO]
    for section, (title, text, columns, command) in SECTIONS.items():
        parts.append(f"## {title}\n\n{text}\n\n```sh\n{command}\n```\n\n")
        parts.append(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
        for backend, rows in found.items():
            parts += [f"| {backend} | {' | '.join(row)} |\n" for row in rows.get(section, [])]
        parts.append("\n")
    python = platform.python_version()
    parts.append(
        f"All of it: `python -m tests.reliability --write docs/reliability.md`. "
        f"Python {python}, aiohttp {aiohttp.__version__}, {platform.system()}.\n"
    )
    return "".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description="Measure reliability.")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page to FILE")
    parser.add_argument(
        "--results", metavar="FILE", type=Path, help="keep figures in FILE, and use those in it"
    )
    parser.add_argument(
        "--only", metavar="SECTION", nargs="+", choices=list(SECTIONS), default=list(SECTIONS)
    )
    parser.add_argument("--backend", action="append", choices=sorted(OURS), help="default: all")
    for field in dataclasses.fields(Scale):
        default = getattr(FULL, field.name)
        parser.add_argument("--" + field.name.replace("_", "-"), type=type(field.default), default=default)
    options = parser.parse_args()
    scale = Scale(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Scale)})
    problems: list[str] = []
    found: dict[str, dict[str, Rows]] = {}
    if options.results and options.results.exists():
        found = json.loads(options.results.read_text())
    with tempfile.TemporaryDirectory() as directory:
        for name in options.backend or list(OURS):
            factory = Factory(OURS[name](), Path(directory), scale)
            for section in options.only:
                found.setdefault(name, {})[section], more = collect(factory, section)
                problems += more
    if options.results:
        options.results.write_text(json.dumps(found))
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.write:
        options.write.write_text(document(found), encoding="utf-8")
    elif not options.results:
        sys.stdout.write(document(found))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
