"""What a failure has to show to the client, in the log and in the counters, whatever its kind.

Cases are registered with `@case(...)`; `prove` runs one and judges it by the table. It must not know single
kinds.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from downstream_proxy.errors import ERRORS, ErrorKind

from ..parse import TruncatedError
from ..wire import Client, Response
from .lab import Lab, get

# Words that would tell of the inside.
INSIDE = (
    b"127.0.0.1",
    b"localhost",
    b".invalid",
    b"rrno",
    b"Traceback",
    b"rror(",
    b"aiohttp",
    b"uvicorn",
    b"/tmp",
)

_COUNT = re.compile(
    rb'downstream_proxy_(errors|retries)_total\{downstream="([^"]*)"(?:,kind="([^"]*)")?\} ([0-9.]+)'
)


class Aborted:
    """The client saw the connection end within the answer."""


class Left:
    """The client was not there to see anything, or nothing more."""


Outcome = Response | type[Aborted] | type[Left]
Run = Callable[[Lab, bytes], Outcome]


@dataclass(frozen=True)
class Case:
    """One way to bring a failure about.

    place: the downstream asked, as in the settings; "" when the request belongs to none. attempts: tries in
    all, by the proxy's own count. seen: requests that the origin saw; None when none is asked.
    """

    kind: ErrorKind
    name: str
    run: Run
    place: str
    attempts: int
    seen: int | None


@dataclass
class Cases:
    """The cases of one module, and the settings that they need."""

    cases: list[Case]

    def __call__(
        self, kind: ErrorKind, place: str = "", *, attempts: int = 1, seen: int | None = None
    ) -> Callable[[Run], Run]:
        def register(run: Run) -> Run:
            name = run.__name__.strip("_").replace("_", " ")
            self.cases.append(Case(kind, name, run, place, attempts, seen))
            return run

        return register

    def parametrize(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize(
            "case", [pytest.param(c, id=f"{c.kind.value}: {c.name}") for c in self.cases]
        )


def cut(lab: Lab, raw: bytes) -> type[Aborted]:
    """Sends a request whose answer begins and is broken off."""
    client = lab.send(raw)
    with pytest.raises(TruncatedError):
        client.read_body(client.read_head())
    return Aborted


def counts(lab: Lab) -> dict[tuple[str, str], float]:
    """(downstream, kind) to failures; (downstream, "") to retries."""
    found = _COUNT.findall(lab.ask(get(b"/-/metrics")).body)
    return {(place.decode(), kind.decode()): float(number) for _, place, kind, number in found}


def prove(case: Case, lab: Lab) -> None:
    """Runs a case. Fails unless each place that tells of a failure tells the table's row for it."""
    target = f"/{case.place or 'nowhere'}/{case.kind.value}-{time.monotonic_ns()}".encode()
    before, logged = counts(lab), len(lab.server.log())
    outcome = case.run(lab, target)
    if isinstance(outcome, Response):
        judge_answer(case.kind, outcome)
    words = (
        f"error={case.kind.value}",
        *((target.decode(), f"downstream={case.place} ") if case.place else ()),
    )
    line = log_line(lab, logged, *words)
    if outcome is Left:
        assert " 499 " in line
    elif outcome is Aborted:
        assert " 200 " in line
    else:
        assert f" {ERRORS[case.kind].status} " in line
    after = counts(lab)
    assert _grown(before, after, case.place, case.kind.value) == 1
    assert 1 + _grown(before, after, case.place, "") == case.attempts
    if case.seen is not None:
        assert len(lab.origin.seen(target)) == case.seen


def judge_answer(kind: ErrorKind, response: Response) -> None:
    """Status, Proxy-Status and problem document are the table's, and tell nothing of the inside."""
    entry = ERRORS[kind]
    assert response.status == entry.status, response.body
    told = response.one(b"proxy-status")
    assert told == (b"downstream-proxy; error=" + entry.proxy_status.encode() if entry.proxy_status else None)
    assert response.one(b"content-type") == b"application/problem+json"
    document = json.loads(response.body)
    assert document["type"] == f"urn:downstream-proxy:problem:{kind.value}"
    assert document["title"] == entry.title
    assert document["status"] == entry.status
    assert document.keys() <= {"type", "title", "status", "detail", "request_id"}
    assert document.get("request_id", "").encode() == (response.one(b"x-request-id") or b"")
    assert (response.one(b"retry-after") is not None) == (entry.status in (429, 503))
    for word in INSIDE:
        assert word not in response.head + response.body


def _grown(
    before: dict[tuple[str, str], float], after: dict[tuple[str, str], float], place: str, kind: str
) -> float:
    return after.get((place, kind), 0.0) - before.get((place, kind), 0.0)


def log_line(lab: Lab, start: int, *words: str) -> str:
    """The one line of the log from `start` on that has all these words, as soon as it is there."""
    deadline = time.monotonic() + 5
    while True:
        log = lab.server.log()[start:]
        lines = [line for line in log.splitlines() if all(word in line for word in words)]
        if lines:
            assert len(lines) == 1, lines
            return lines[0]
        if time.monotonic() > deadline:
            raise TimeoutError(f"no log line with {words} in\n{log}")
        # Each answer takes the server once around its loop.
        lab.ask(get(b"/-/healthy"))


def until_head(lab: Lab, raw: bytes) -> Client:
    """Sends a request and waits until the origin has its head."""
    client = lab.send(raw)
    lab.origin.wait_head(raw.split(b" ")[1])
    return client
