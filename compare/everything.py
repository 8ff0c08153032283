"""`compare --all`: every measurement of compare.md anew, step by step, and on from where it was interrupted.

Must not know how anything is measured. Each step keeps its result before the next begins; which are done is
written beside the results until all are.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from . import behaviour, bench, claims, faults, paths, sides
from .cost import plan, points
from .cost.command import ROUNDS, WARM, run
from .cost.subjects import all_peers
from .evidence import keep_only
from .process import StartError
from .progress import duration
from .subjects import SUBJECTS

#: Which steps of an interrupted run are done; gone when there is nothing to go on with.
UNFINISHED = paths.RESULTS / "unfinished.json"
PROXY_ROUNDS = 5
#: Subjects whose behaviour is found at the same time: it waits more than it works, and times nothing.
AT_ONCE = 2
#: What the contract's tests import beyond this package.
ASKING = ("pytest", "pytest_aiohttp", "pytest_asyncio", "pytest_timeout", "trustme", "websockets")
ON = "`compare --all --resume` goes on"
#: What says of what a part is measured; --all is the whole.
PARTS = ("clients", "workload", "payload", "latency_ms", "mine", "json_file")


@dataclass(frozen=True, slots=True)
class Step:
    """seconds: what it takes on two cores, for the time left. do: told whether it was interrupted before, it
    says whether it is done now.
    """

    name: str
    seconds: float
    do: Callable[[bool], bool]


@dataclass(slots=True)
class State:
    """How far a run is. settings: what a resumed run must be asked for too."""

    settings: dict[str, Any]
    done: list[str] = field(default_factory=list)
    begun: str | None = None

    def write(self, path: Path) -> None:
        stored = {"settings": self.settings, "done": self.done, "begun": self.begun}
        path.write_text(json.dumps(stored, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path, settings: dict[str, Any]) -> State:
        """Raises ClickException when there is no interrupted run, or one with other settings."""
        if not path.exists():
            raise click.ClickException("there is no interrupted run to go on with; start without --resume")
        stored = json.loads(path.read_text())
        if stored["settings"] != settings:
            were = ", ".join(f"{name} {value}" for name, value in stored["settings"].items())
            raise click.ClickException(f"the interrupted run has {were}; repeat that, or leave --resume out")
        return cls(**stored)


def rebuild(*, quick: bool, resume: bool, minutes: float | None, **chosen: Any) -> None:
    """Write every file in compare/results. Raises ClickException when one cannot be measured, or when the run
    was interrupted or its `minutes` are over.
    """
    if paths.checkout() is None:
        raise click.ClickException("--all rewrites the results of a checkout; here run `compare --json FILE`")
    if parts := [name for name in PARTS if chosen[name] is not None]:
        named = ", ".join(f"--{name.removesuffix('_file').replace('_', '-')}" for name in parts)
        raise click.UsageError(f"--all measures everything; leave out {named}")
    if problems := missing():
        raise click.ClickException("cannot measure: " + "; ".join(problems))
    paths.RESULTS.mkdir(exist_ok=True)
    settings = {"quick": quick} | {name: chosen[name] for name in ("rounds", "seconds", "seed")}
    state = State.read(UNFINISHED, settings) if resume else State(settings)
    for path in (paths.BEHAVIOUR, paths.FAULTS):
        keep_only(path, SUBJECTS)
    until = time.monotonic() + minutes * 60 if minutes else None
    try:
        walk(steps(quick, until, **chosen), state, UNFINISHED, until)
    except KeyboardInterrupt:
        raise click.ClickException(f"interrupted; what was measured is kept, and {ON}") from None
    except StartError as error:
        raise click.ClickException(f"{error}; {ON}") from None


def missing() -> list[str]:
    """One line for each thing that would fail after hours, or make every cell of a table an error."""
    if platform.system() != "Linux":
        return ["the comparison reads /proc and pins cores, so it runs on Linux only"]
    lacking = [name for name in ASKING if importlib.util.find_spec(name) is None]
    extra = f"the contract's tests need {', '.join(lacking)}: install the extra `test`, as run.py does"
    return [*bench.missing_tools(), *([extra] if lacking else [])]


def walk(todo: Sequence[Step], state: State, file: Path, until: float | None) -> None:
    """Do what is not done yet, in order, and say how long the rest takes at the pace so far."""
    began = time.monotonic()
    expected = passed = 0.0
    state.write(file)
    for number, step in enumerate(todo, 1):
        if step.name in state.done:
            continue
        if until is not None and time.monotonic() > until:
            raise click.ClickException(f"the time is over before {step.name}; {ON}")
        pace = passed / expected if expected else 1.0
        rest = sum(other.seconds for other in todo[number - 1 :] if other.name not in state.done)
        click.echo(f"[{number}/{len(todo)}] {step.name}; {duration(pace * rest)} left", err=True)
        resumed, state.begun = state.begun == step.name, step.name
        state.write(file)
        if not step.do(resumed):
            raise click.ClickException(f"{step.name} is not complete; {ON}")
        state.done.append(step.name)
        state.write(file)
        expected, passed = expected + step.seconds, time.monotonic() - began
    file.unlink()


def steps(quick: bool, until: float | None, **chosen: Any) -> list[Step]:
    """All that --all does. Behaviour first: it takes the longest, and shows early what is not installed."""
    return [
        *(
            Step(f"behaviour of {' and '.join(some)}", 50 if quick else 80, _behaviour(some, quick=quick))
            for some in batched(list(SUBJECTS), AT_ONCE)
        ),
        *(Step(f"faults met by {name}", 25, _faults(name)) for name in SUBJECTS),
        Step("claims", 150, _claims),
        Step("both backends side by side", 30, _sides),
        _cost(quick, until, **chosen),
        _proxies(quick, chosen["rounds"], chosen["seconds"], chosen["seed"]),
    ]


def batched(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def _behaviour(names: Sequence[str], *, quick: bool) -> Callable[[bool], bool]:
    def ask(name: str) -> None:
        # What failed on one side only, or by a time limit, may be the machine's fault and is asked once more.
        for again in (False, True):
            click.echo(behaviour.renew(paths.BEHAVIOUR, name, quick=quick, again=again), err=True)

    def do(_: bool) -> bool:
        with ThreadPoolExecutor(len(names)) as pool:
            asking = pool.map(ask, names)
            try:
                list(asking)
            except KeyboardInterrupt:
                click.echo("interrupted; what is under way comes to its end first, a minute or two", err=True)
                raise
        return True

    return do


def _faults(name: str) -> Callable[[bool], bool]:
    def do(_: bool) -> bool:
        click.echo(faults.renew(paths.FAULTS, name), err=True)
        return True

    return do


def _claims(_: bool) -> bool:
    return claims.main([]) == 0


def _sides(_: bool) -> bool:
    sides.write(paths.SIDES, sides.measure(lambda text: click.echo(text, err=True)))
    return True


def _cost(quick: bool, until: float | None, **chosen: Any) -> Step:
    rounds = chosen["rounds"] or (1 if quick else ROUNDS)

    def do(resumed: bool) -> bool:
        minutes = max(0.1, (until - time.monotonic()) / 60) if until is not None else None
        asked = chosen | {"rounds": rounds, "minutes": minutes}
        return run(default=paths.COST, quick=False, resume=resumed, **asked)

    each = sum(plan.estimate(point, chosen["seconds"], WARM) for point in points.POINTS.values())
    return Step("cost and speed", each * len(all_peers(control=True)) * rounds, do)


def _proxies(quick: bool, rounds: int | None, seconds: int, seed: int) -> Step:
    from .cli_proxies import proxies

    rounds = rounds or (1 if quick else PROXY_ROUNDS)

    def do(_: bool) -> bool:
        given: Iterable[object] = ("--rounds", rounds, "--seconds", seconds, "--seed", seed)
        done = proxies.main(args=[*map(str, given), "--json", str(paths.PROXIES)], standalone_mode=False)
        return bool(done)

    return Step("beside other proxies", 200 * rounds, do)
