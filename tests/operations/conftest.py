"""Options for the size of the scenarios: `pytest tests/operations --reloads 100`. The defaults suit CI."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from ..backends import Backend
from .changing import Bench, Scale

FIELDS = dataclasses.fields(Scale)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("downstream-proxy")
    for field in FIELDS:
        group.addoption(
            # `--seed` is the reliability scenarios'.
            flag(f"operations_{field.name}"),
            type=int,
            help=f"operations scenarios (default: {field.default})",
        )


@pytest.fixture
def bench(
    backend: Backend, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Bench:
    """Where a scenario happens."""
    if backend.module is None:
        pytest.skip("needs a server that the suite can start")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    given = {field.name: request.config.getoption(flag(f"operations_{field.name}"), None) for field in FIELDS}
    scale = Scale(**{name: value for name, value in given.items() if value is not None})
    return Bench(backend, tmp_path_factory.getbasetemp(), scale)
