"""The echo server, one for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .echo import echo_server


@pytest.fixture(scope="session")
def echo_port() -> Iterator[int]:
    with echo_server() as port:
        yield port
