"""Options for the size of the scenarios: `pytest tests/reliability --rounds 1000`. The defaults suit CI."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from ..backends import Backend
from .bench import Factory, Scale

FIELDS = dataclasses.fields(Scale)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("downstream-proxy")
    for field in FIELDS:
        group.addoption(
            flag(field.name),
            type=type(field.default),
            help=f"reliability scenarios (default: {field.default})",
        )


@pytest.fixture
def factory(
    request: pytest.FixtureRequest, backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Factory:
    """Starts the servers of one scenario."""
    if backend.module is None:
        pytest.skip("needs a server that the suite can start")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    given = {field.name: request.config.getoption(flag(field.name), None) for field in FIELDS}
    scale = Scale(**{name: value for name, value in given.items() if value is not None})
    return Factory(backend, tmp_path_factory.getbasetemp(), scale)
