"""Options, the origin and the servers under test, for every test in this package."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from .backends import OURS, Backend, external, not_forwarding, started_by
from .origin import Origin

#: The exit code when the server behind --proxy-url does not forward to the origin.
FORWARDS_ELSEWHERE = 9


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("downstream-proxy")
    group.addoption(
        "--backend", action="append", choices=sorted(OURS), help="the backends to test (default: all)"
    )
    group.addoption(
        "--proxy-url", metavar="URL", help="test the server at http://host:port instead of a backend"
    )
    group.addoption(
        "--server-command",
        metavar="COMMAND",
        help="test what this starts instead of a backend; it takes a backend's flags (--fd, --config)",
    )
    group.addoption(
        "--origin-listen", metavar="ADDR:PORT", help="where the origin listens (default: 127.0.0.1:0)"
    )
    group.addoption(
        "--patience", type=float, default=8.0, metavar="SECONDS", help="what a --proxy-url may take at most"
    )
    group.addoption(
        "--without", action="append", default=[], metavar="CAPABILITY", help="a capability it lacks"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(*ids): the rules of the contract that this test proves")
    config.addinivalue_line("markers", "basis(basis): what this test's demand stands on, if not the rule's")
    if config.getoption("--proxy-url") and not config.getoption("--origin-listen"):
        raise pytest.UsageError(
            "--proxy-url needs --origin-listen ADDR:PORT, the address that server forwards to"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        config = metafunc.config
        names = config.getoption("--backend") or list(OURS)
        if config.getoption("--proxy-url"):
            names = ["external"]
        elif config.getoption("--server-command"):
            names = ["command"]
        metafunc.parametrize("backend", list(dict.fromkeys(names)), indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """What is under test; its servers end with the session."""
    if request.param == "external":
        option = request.config.getoption
        made = external(option("--proxy-url"), option("--without"), option("--patience"))
        if problem := not_forwarding(made.url or "", request.getfixturevalue("the_origin")):
            pytest.exit(problem, returncode=FORWARDS_ELSEWHERE)
    elif request.param == "command":
        command = shlex.split(request.config.getoption("--server-command"))
        made = started_by(command, request.config.getoption("--without"))
    else:
        made = OURS[request.param]()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def the_origin(request: pytest.FixtureRequest) -> Iterator[Origin]:
    host, _, port = (request.config.getoption("--origin-listen") or "127.0.0.1:0").rpartition(":")
    origin = Origin(host.strip("[]"), int(port))
    if request.config.getoption("--proxy-url"):
        origin.any_case, origin.patience = True, request.config.getoption("--patience")
    yield origin
    origin.stop()


@pytest.fixture
def origin(the_origin: Origin) -> Iterator[Origin]:
    """The origin, with nothing recorded. Whatever it received must have been strict HTTP/1.1."""
    the_origin.reset()
    yield the_origin
    errors = list(the_origin.errors)
    the_origin.reset()
    assert not errors, f"the origin got bytes that are no request, or its script failed: {errors!r}"
