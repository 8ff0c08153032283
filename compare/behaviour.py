"""`python -m compare.behaviour`: which behaviour each client library, recipe and proxy keeps, found by
running it.

Clients run the contract's tests behind both of our backends; recipes and other proxies run them as they are.
Every cell of results/behaviour.json comes from a run. Needs a checkout, as the suite does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .behaviour_probes import PROBES
from .behaviour_topics import ASKED, CORE, TOPICS
from .clients.apart import child_environment
from .evidence import RESULTS, Cell, Outcome, load, one_line, store, write
from .process import LOOPBACK, StartError, free_port, started
from .progress import duration
from .subjects import SUBJECTS, Backend, Start, Subject

RULES_SECONDS = 420
BACKENDS: tuple[Backend, ...] = ("aiohttp", "fastapi")
#: What is not asked: what needs settings of its own, and of other proxies what is not theirs to offer.
UNSET = ("--without", "forwarded", "--without", "transform")
LACKING = (*UNSET, "--without", "websocket")

WORST_FIRST: tuple[Outcome, ...] = ("broken", "error", "not-offered", "kept")

#: One file, and perhaps several subjects at once.
_WRITING = threading.Lock()

Found = dict[str, dict[str, Any]]


class Run:
    """The contract's tests against one server, in a process group of its own."""

    def __init__(
        self, folder: Path, label: str, rules: Sequence[str], arguments: Sequence[str], extra: dict[str, str]
    ) -> None:
        self.label = label
        self._result = folder / f"{label}.json"
        self._log = folder / f"{label}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "compare.behaviour_rules",
                    str(self._result),
                    ",".join(rules),
                    "--",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(extra),
                cwd=Path(__file__).resolve().parents[1],
                start_new_session=True,
            )
        self._deadline = time.monotonic() + RULES_SECONDS

    def found(self) -> tuple[Found, str]:
        """What the tests said, and why some may have said nothing."""
        reason = ""
        try:
            self._process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            reason = f"no result within {RULES_SECONDS} s"
        self.end()
        if not self._result.exists():
            return {}, reason or one_line(self._log.read_text(errors="replace")[-200:])
        found: Found = json.loads(self._result.read_text())
        return found, reason

    def end(self) -> None:
        """End what is left of it: the group was made by us and holds only what the run started."""
        with contextlib.suppress(ProcessLookupError):
            # Also when the run is over: a run that broke down leaves its servers behind.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def cell(rule: str, findings: dict[str, tuple[Found, str]], subject: Subject) -> Cell:
    """One rule's cell out of what each backend's run said; a run without a finding leaves it to the other."""
    verdicts: list[str] = []
    details: list[str] = []
    for label, (found, reason) in findings.items():
        said = found.get(rule)
        place = f"{label}: " if len(findings) > 1 else ""
        if said is None:
            verdicts.append("error")
            details.append(f"{place}{reason or 'no test ran'}")
        elif said["failed"]:
            name, why = next((f for f in said["failed"] if not _void(f[1])), said["failed"][0])
            verdicts.append("error" if _void(why) else "broken")
            details.append(f"{place}{_cases(said)}; not {name}: {why}")
        elif said["passed"]:
            verdicts.append("kept")
            details.append(f"{place}{_cases(said)}")
        else:
            verdicts.append("not-offered")
            details.append(place + "; ".join(said["skipped"][:1]))
    told = [verdict for verdict in verdicts if verdict != "error"] or verdicts
    outcome = next(kind for kind in WORST_FIRST if kind in told)
    if rule.startswith("websocket.") and subject.kind == "client" and outcome == "broken":
        details = ["its public API has no way to take an upgraded connection over: the seam answered 502"]
        outcome = "not-offered"
    if len(set(verdicts)) == 1 and len(details) > 1:
        details = details[:1] if outcome == "kept" else details
    return Cell(outcome=outcome, detail=one_line(" | ".join(details), 400), rule=rule)


def _void(why: str) -> bool:
    """Whether a failure says nothing of the rule: the server never came up, or the test ran out of time."""
    return "the server did not start" in why or "from pytest-timeout" in why


def _cases(said: dict[str, Any]) -> str:
    total = said["passed"] + len(said["failed"])
    return f"{said['passed']} of {total} cases"


def of_client(subject: Subject, folder: Path, rules: Sequence[str]) -> dict[str, Cell]:
    runs = []
    for backend in BACKENDS:
        start = Start(port=0, downstream="http://127.0.0.1:1", folder=folder, backend=backend)
        launch = subject.command(start)
        # The suite brings its own configuration and socket; what is taken from here is which client it is.
        command = shlex.join([*launch.argv[: launch.argv.index("--config")]])
        runs.append(Run(folder, backend, rules, ["--server-command", command], dict(launch.env)))
    findings = {run.label: run.found() for run in runs}
    return {rule: cell(rule, findings, subject) for rule in rules}


def of_server(subject: Subject, folder: Path, rules: Sequence[str]) -> dict[str, Cell]:
    """A recipe, a proxy or one of our backends, started here in front of the suite's origin."""
    origin, port = free_port(), free_port()
    launch = subject.command(Start(port=port, downstream=f"http://{LOOPBACK}:{origin}", folder=folder))
    with started(launch, cores=None, folder=folder, name="subject") as running:
        deadline = time.monotonic() + 20
        while not _listens(port):
            if not running.alive() or time.monotonic() > deadline:
                raise StartError(f"did not start: {running.last_words()}")
            time.sleep(0.1)
        address = ["--proxy-url", f"http://{LOOPBACK}:{port}", "--origin-listen", f"{LOOPBACK}:{origin}"]
        lacking = UNSET if subject.kind == "backend" else LACKING
        run = Run(folder, "suite", rules, [*address, *lacking], {})
        findings = {"suite": run.found()}
    return {rule: cell(rule, findings, subject) for rule in rules}


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def cells_of(subject: Subject, quick: bool, only: Sequence[str], say: Console) -> dict[str, Cell]:
    """All cells of one subject, or those of some probes; one that cannot take part has the reason in each."""
    if reason := subject.available():
        return {rule: Cell(outcome="error", detail=one_line(reason), rule=rule) for rule in (*ASKED, *PROBES)}
    cells = {} if only else rules_of(subject)
    for probe, ask in PROBES.items():
        if only and probe not in only:
            continue
        try:
            cells[probe] = ask(subject, quick)
        except (StartError, OSError, TimeoutError, subprocess.TimeoutExpired) as error:
            cells[probe] = Cell(outcome="error", detail=one_line(str(error)), rule=probe)
        say.print(
            f"  {subject.name}: {probe}: {cells[probe]['outcome']}: {cells[probe]['detail']}", markup=False
        )
    return cells


def rules_of(subject: Subject, chosen: Sequence[str] = ()) -> dict[str, Cell]:
    """Cells of the chosen rules, else of all that are asked of its kind."""
    rules = chosen or (CORE if subject.kind == "recipe" else ASKED)
    with tempfile.TemporaryDirectory(prefix="downstream-proxy-") as name:
        of = of_client if subject.kind == "client" else of_server
        try:
            return of(subject, Path(name), rules)
        except StartError as error:
            return {rule: Cell(outcome="error", detail=one_line(str(error)), rule=rule) for rule in rules}


def in_doubt(subject: Subject, found: dict[str, Cell]) -> dict[str, Cell]:
    """New cells for the rules that failed behind one backend only, or because no answer came in time.

    Each is asked alone: the machine was busy, or the library still was with what an earlier rule had asked.
    """
    doubtful = [rule for rule, cell in found.items() if rule in ASKED and _doubtful(cell)]
    new = {rule: rules_of(subject, [rule])[rule] for rule in doubtful}
    return {rule: cell for rule, cell in new.items() if cell["outcome"] != "error"}


def _doubtful(cell: Cell) -> bool:
    detail = cell["detail"]
    one_sided = " | " in detail and detail.count("; not ") == 1
    late = "Timeout (>" in detail or "TimeoutError: timed out" in detail
    return cell["outcome"] in ("broken", "error") and (one_sided or late)


def with_topics(path: Path) -> None:
    """Add the rows of the table: the topics with their rules and probes."""
    stored = load(path)
    stored["rules"] = [{"id": t.id, "title": t.title, "rules": [*t.rules, *t.probes]} for t in TOPICS]
    write(path, stored)


def renew(
    path: Path,
    name: str,
    *,
    quick: bool = False,
    again: bool = False,
    only: Sequence[str] = (),
    say: Console | None = None,
) -> str:
    """Put one subject's cells, or with `again` those in doubt, into the file; a line that counts them."""
    say = say or Console(stderr=True, highlight=False, soft_wrap=True)
    if again:
        cells = in_doubt(SUBJECTS[name], load(path)["subjects"].get(name, {}))
    else:
        cells = cells_of(SUBJECTS[name], quick, only, say)
    with _WRITING:
        store(path, name, cells)
        with_topics(path)
    kinds = Counter(cell["outcome"] for cell in cells.values())
    counts = [f"{kinds[kind]} {kind}" for kind in ("kept", "broken", "error") if kinds[kind]]
    return f"{name}{' again' if again else ''}: {', '.join(counts) or 'nothing to ask'}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare.behaviour", description=__doc__)
    parser.add_argument("--clients", default="", help="names of subjects, with commas between (default: all)")
    parser.add_argument("--write", type=Path, default=RESULTS / "behaviour.json", metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="smaller probes")
    parser.add_argument("--again", action="store_true", help="ask again what may be the machine's fault")
    parser.add_argument("--only", default="", help=f"some of the probes: {', '.join(PROBES)}")
    given = parser.parse_args(arguments)
    names = [name for name in given.clients.split(",") if name] or list(SUBJECTS)
    if unknown := [name for name in names if name not in SUBJECTS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    only = [probe for probe in given.only.split(",") if probe]
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    began = time.monotonic()
    for number, name in enumerate(names, 1):
        summary = renew(given.write, name, quick=given.quick, again=given.again, only=only, say=say)
        left = duration((time.monotonic() - began) / number * (len(names) - number))
        say.print(f"[{number}/{len(names)}] {summary}; {left} left", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
