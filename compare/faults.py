"""`python -m compare.faults`: what a user sees when the downstream resets, stalls, restarts, or is slow and
full.

Each fault is met by each subject in a fresh process; what is kept is the answers by kind, the seconds they
took, and how long after the fault's end the next ordinary request succeeded. Needs a checkout.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from .evidence import RESULTS, load, one_line, store, write
from .process import StartError
from .progress import duration
from .running import Connection, Request, Scene, scene
from .subjects import SUBJECTS, Subject

#: How long a user is asked to wait before the answer counts as none.
PATIENCE = 8.0
#: What our seam tells its clients; recipes and proxies keep their own.
HEAD_SECONDS = 2.0
PLACES = 8
CROWD = 40
SLOW_SECONDS = 0.5

Seen = dict[str, Any]


def _asked(stage: Scene, path: str, times: int, at_once: int = 1) -> Seen:
    """Ask so many times; answers by kind and seconds."""

    def one(_: int) -> tuple[str, float]:
        began = time.monotonic()
        return stage.ask(path, PATIENCE), time.monotonic() - began

    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(one, range(times)))
    seconds = sorted(taken for _, taken in answers)
    return {
        "answers": dict(Counter(kind for kind, _ in answers)),
        "median_s": round(statistics.median(seconds), 3),
        "slowest_s": round(seconds[-1], 3),
    }


def _recovery(stage: Scene) -> float | None:
    """Seconds until an ordinary request succeeds again; None when it does not within PATIENCE."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        if stage.ask("/ready", 2.0) == "200":
            return round(time.monotonic() - began, 3)
        time.sleep(0.02)
    return None


def reset_before_head(stage: Scene) -> Seen:
    """The downstream resets the connection when it has read the request."""

    async def reset(conn: Connection, _: Request) -> None:
        conn.reset()

    stage.origin.script("/reset", reset)
    return _asked(stage, "/reset", 5)


def reset_in_body(stage: Scene) -> Seen:
    """It resets in the middle of its answer."""

    async def reset(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
        await conn.quiet(0.2)
        conn.reset()

    stage.origin.script("/cut", reset)
    return _asked(stage, "/cut", 5)


def chunked_cut(stage: Scene) -> Seen:
    """It closes in the middle of an answer without a length: only the missing last chunk tells."""

    async def cut(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await conn.quiet(0.2)
        conn.close()

    stage.origin.script("/chunked", cut)
    return _asked(stage, "/chunked", 5)


def stall(stage: Scene) -> Seen:
    """It takes the request and never answers; clients behind our seam are told to wait 2 s."""

    async def hold(conn: Connection, _: Request) -> None:
        await conn.gone()

    stage.origin.script("/stall", hold)
    return _asked(stage, "/stall", 3, at_once=3)


def restart(stage: Scene) -> Seen:
    """It closes all its connections, as a restart does, while some are idle in the pool."""
    _asked(stage, "/ready", 20, at_once=10)
    stage.origin.drop_connections()
    return _asked(stage, "/ready", 20, at_once=10)


def slow_and_full(stage: Scene) -> Seen:
    """It takes 0.5 s for each answer, and five times as many users come as there are connections."""

    async def slow(conn: Connection, _: Request) -> None:
        await conn.quiet(SLOW_SECONDS)
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stage.origin.script("/slow", slow)
    with ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(_asked, stage, "/slow", CROWD, CROWD)
        time.sleep(SLOW_SECONDS / 2)
        began = time.monotonic()
        neighbour = stage.ask("/ready", PATIENCE)
        waited = time.monotonic() - began
        seen = crowd.result()
    return seen | {"neighbour": {"answer": neighbour, "seconds": round(waited, 3)}}


FAULTS: dict[str, Callable[[Scene], Seen]] = {
    "reset-before-head": reset_before_head,
    "reset-in-body": reset_in_body,
    "chunked-cut": chunked_cut,
    "stall": stall,
    "restart": restart,
    "slow-and-full": slow_and_full,
}


def of(subject: Subject) -> dict[str, Seen]:
    """All faults of one subject, each with a process of its own."""
    if reason := subject.available():
        return {name: {"error": one_line(reason)} for name in FAULTS}
    found: dict[str, Seen] = {}
    for name, fault in FAULTS.items():
        try:
            with scene(
                subject,
                pool=PLACES if fault is slow_and_full else 1024,
                settings=f"timeouts = {{ head = {HEAD_SECONDS}, pool = 5.0 }}\n",
            ) as stage:
                seen = fault(stage)
                seen["recovery_s"] = _recovery(stage)
                found[name] = seen
        except (StartError, OSError, TimeoutError) as error:
            found[name] = {"error": one_line(str(error))}
    return found


def _told(fault: Callable[[Scene], Seen]) -> str:
    return " ".join((fault.__doc__ or "").split())


def _with_table(path: Path) -> None:
    """Add what the table shows: one sentence for each cell."""
    stored = load(path)
    stored["cells"] = {
        name: {
            fault: {"seen": sentence(seen), "recovery_s": seen.get("recovery_s")}
            for fault, seen in found.items()
        }
        for name, found in stored["subjects"].items()
    }
    write(path, stored)


def sentence(seen: Seen) -> str:
    """What users saw, in a few words."""
    if "error" in seen:
        return str(seen["error"])
    answers = ", ".join(f"{count} x {kind}" for kind, count in sorted(seen["answers"].items()))
    text = f"{answers} in {seen['median_s']:.2f} s (slowest {seen['slowest_s']:.2f} s)"
    if "neighbour" in seen:
        text += f"; a neighbour: {seen['neighbour']['answer']} after {seen['neighbour']['seconds']:.2f} s"
    return text


def renew(path: Path, name: str) -> str:
    """Let one subject meet all faults and put what was seen into the file; a line that says it."""
    found = of(SUBJECTS[name])
    titles = [
        {"id": fault, "title": fault.replace("-", " "), "what": _told(do)} for fault, do in FAULTS.items()
    ]
    store(path, name, found, {"faults": titles})
    _with_table(path)
    return f"{name}: " + "; ".join(f"{fault}: {sentence(cell)}" for fault, cell in found.items())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare.faults", description=__doc__)
    parser.add_argument("--clients", default="", help="names of subjects, with commas between (default: all)")
    parser.add_argument("--write", type=Path, default=RESULTS / "faults.json", metavar="FILE")
    given = parser.parse_args(arguments)
    names = [name for name in given.clients.split(",") if name] or list(SUBJECTS)
    if unknown := [name for name in names if name not in SUBJECTS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    began = time.monotonic()
    for number, name in enumerate(names, 1):
        summary = renew(given.write, name)
        left = duration((time.monotonic() - began) / number * (len(names) - number))
        say.print(f"[{number}/{len(names)}] {summary}; {left} left", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
