"""Options and fixtures of the tests in which both backends take part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..backends import OURS, Backend
from .runner import RecordingOrigin, Runner

INPUTS = 6000
SETTINGS = 'via = "suite"\nrequest_id = false\n'


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("downstream-proxy")
    group.addoption(
        "--differential", type=int, metavar="N", help=f"inputs of the differential test (default: {INPUTS})"
    )
    group.addoption("--differential-seed", metavar="S", help="another seed for them (default: 1)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longer mode takes as long as it takes."""
    if config.getoption("--differential", None):
        for item in items:
            if "runners" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def inputs_wanted(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--differential", None) or INPUTS)


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--differential-seed", None) or "1")


@pytest.fixture(scope="session")
def runners(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Runner]]:
    """Both backends with the same settings, each in front of a downstream of its own."""
    if request.config.getoption("--proxy-url") or request.config.getoption("--backend"):
        pytest.skip("compares our two backends with each other")
    made: list[Runner] = []
    started: list[Backend] = []
    origins: list[RecordingOrigin] = []
    try:
        for name, make in OURS.items():
            origins.append(RecordingOrigin())
            backend: Backend = make()  # type: ignore[no-untyped-call]
            started.append(backend)
            server = backend.server(SETTINGS, origins[-1], tmp_path_factory.getbasetemp())
            made.append(Runner(name, server, origins[-1]))
        yield made
    finally:
        for runner in made:
            runner.close()
        for backend in started:
            backend.stop()
        for origin in origins:
            origin.stop()
