"""Both backends give the same answer to the same bytes, and no downstream sees more than the client meant."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from .grammar import split, well_formed
from .hostile import FAMILIES
from .inputs import Input
from .judge import differences, faults
from .meaning import End, meaning
from .regressions import REGRESSIONS
from .runner import STUCK, Outcome, Runner

SHOWN = 5  # failing inputs shown; there may be thousands


def draw(name: str, seed: str, count: int) -> list[Input]:
    """So many distinct inputs of one family; the same for the same seed."""
    rng = Random(f"{seed} {name}")
    found: dict[tuple[bytes, ...], Input] = {}
    for _ in range(count * 50):
        item = well_formed(rng) if name == "well_formed" else Input(split(rng, FAMILIES[name](rng)))
        found.setdefault(item.pieces, item)
        if len(found) == count:
            break
    return list(found.values())


def answers(runner: Runner, items: list[Input]) -> list[Outcome]:
    """What comes of each input; ends early when the backend hangs again and again."""
    outcomes: list[Outcome] = []
    hangs = 0
    for item in items:
        outcome = runner.run(item)
        outcomes.append(outcome)
        hangs += outcome.broken == STUCK
        if hangs == 3:
            break
    return outcomes


def check(runners: list[Runner], items: list[Input]) -> None:
    """Sends every input to every backend, all backends at once, and fails with the inputs at fault."""
    with ThreadPoolExecutor(len(runners)) as pool:
        columns = list(pool.map(lambda runner: answers(runner, items), runners))
    failed = []
    for item, row in zip(items, zip(*columns, strict=False), strict=False):
        outcomes = {runner.name: outcome for runner, outcome in zip(runners, row, strict=True)}
        wrong = differences(outcomes)
        wrong += [f"{name}: {text}" for name, outcome in outcomes.items() for text in faults(item, outcome)]
        if wrong:
            lines = [f"{runner.name}: {item.line(runner.server.address)}" for runner in runners]
            texts = [f"{name} answers {outcome.answers!r}" for name, outcome in outcomes.items()]
            failed.append("\n  ".join((repr(item.pieces), *wrong, *lines, *texts)))
    logs = {runner.name: runner.server.new_log() for runner in runners}
    for name, log in logs.items():
        assert "Traceback" not in log, f"{name}: {log[log.index('Traceback') :][:4000]}"
    shown = "\n\n".join(failed[:SHOWN])
    assert not failed, f"{len(failed)} of {len(items)} inputs went wrong\n\n{shown}"


@pytest.mark.parametrize("family", ["well_formed", *FAMILIES])
def test_same_bytes_same_answer(
    runners: list[Runner],
    family: str,
    seed: str,
    inputs_wanted: int,
    record_property: Callable[[str, object], None],
) -> None:
    items = draw(family, seed, inputs_wanted // (1 + len(FAMILIES)))
    record_property("inputs", len(items))
    check(runners, items)


def test_regressions(runners: list[Runner]) -> None:
    check(runners, list(REGRESSIONS.values()))


def test_the_generator_makes_what_it_should(seed: str) -> None:
    """Distinct inputs, the same for the same seed, and of every kind: without this the rest proves little."""
    ends = set()
    everything = set()
    for family in ("well_formed", *FAMILIES):
        items = draw(family, seed, 300)
        assert len(items) == 300, f"{family} repeats itself"
        assert items == draw(family, seed, 300)
        everything |= {item.pieces for item in items}
        ends |= {meaning(item.data).end for item in items}
        if family != "well_formed":
            bad = sum(meaning(item.data).end in (End.MALFORMED, End.INCOMPLETE) for item in items)
            assert 0 < bad <= len(items)
    assert ends == set(End)
    assert len(everything) >= 3000
