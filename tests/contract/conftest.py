"""Binds tests to rules: each test names a rule, each rule has a test, a failure shows rule and bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from downstream_proxy.contract import RULES

from ..backends import Backend, Server
from ..origin import Origin
from .lab import Lab

HERE = Path(__file__).parent
LAB = pytest.StashKey[list[Lab]]()


def rules_of(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("rule") for name in mark.args]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fails the run for a test without a rule, and for a rule without a test when all tests are there."""
    ours = [item for item in items if HERE in item.path.parents]
    proved: set[str] = set()
    problems = []
    for item in ours:
        names = rules_of(item)
        proved.update(names)
        problems += [f"{item.nodeid} names the unknown rule {name!r}" for name in names if name not in RULES]
        if not names:
            problems.append(f"{item.nodeid} names no rule")
        item.user_properties += [("rule", name) for name in names]
    whole = not any("::" in arg for arg in config.args)
    if whole and {item.path for item in ours} >= set(HERE.glob("test_*.py")):
        problems += [
            f"no test proves the rule {rule.id}"
            for rule in RULES.values()
            if rule.tested and rule.id not in proved
        ]
    if problems:
        raise pytest.UsageError("\n".join(sorted(set(problems))))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for name in rules_of(item):
            rule = RULES[name]
            report.sections.append((f"rule {name}", f"{rule.level} {rule.sentence} ({rule.reference})"))
        for lab in item.stash.get(LAB, []):
            report.sections.append(("on the wire", lab.transcript()))
    return report


@pytest.fixture(autouse=True)
def _declared(request: pytest.FixtureRequest, backend: Backend) -> None:
    """Skips rules that ask for a capability the server does not declare; known gaps must fail."""
    for name in rules_of(request.node):
        capability = RULES[name].capability
        if capability and capability not in backend.features:
            pytest.skip(f"the server does not declare the capability {capability!r}")
        if name in backend.known_gaps:
            request.applymarker(pytest.mark.xfail(reason=f"known gap: {name}", strict=True))


@pytest.fixture
def proxy_with(
    request: pytest.FixtureRequest, backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Lab]]:
    """`proxy_with(toml)`: a lab around the server with these settings. A traceback fails the test."""
    labs: list[Lab] = []
    used: dict[int, Server] = {}
    request.node.stash[LAB] = labs

    def make(settings: str = "") -> Lab:
        lab = Lab(backend.server(settings, origin, tmp_path_factory.getbasetemp()), origin)
        used[id(lab.server)] = lab.server
        labs.append(lab)
        return lab

    yield make
    for lab in labs:
        for client in lab.clients:
            client.close()
    for server in used.values():
        log = server.new_log()
        assert "Traceback" not in log, log[-4000:]


@pytest.fixture
def proxy(proxy_with: Callable[[str], Lab]) -> Lab:
    """A lab around the server with default settings."""
    return proxy_with("")


@pytest.fixture
def start(
    request: pytest.FixtureRequest, backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Lab]]:
    """`start(toml)`: a lab around a server of the test's own, which it may end."""
    labs: list[Lab] = []
    request.node.stash[LAB] = labs

    def make(settings: str = "") -> Lab:
        labs.append(Lab(backend.start(settings, origin, tmp_path_factory.getbasetemp()), origin))
        return labs[-1]

    yield make
    for lab in labs:
        for client in lab.clients:
            client.close()
    with contextlib.ExitStack() as stack:
        for lab in reversed(labs):
            stack.callback(lab.server.stop)  # each of them, also when another did not end well
