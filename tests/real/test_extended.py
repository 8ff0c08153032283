"""An application with routes and middlewares of its own, served by `serve(..., extend=...)`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..backends import Server, started_by
from ..extended import ROUTE
from ..origin import Origin


@pytest.fixture(params=["aiohttp", "fastapi"])
def extended(request: pytest.FixtureRequest, origin: Origin, tmp_path: Path) -> Iterator[Server]:
    made = started_by([sys.executable, "-m", "tests.extended", request.param], [])
    yield made.server("", origin, tmp_path)
    made.stop()


def test_own_route_answers_and_everything_else_is_forwarded(extended: Server, origin: Origin) -> None:
    with extended.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: proxy\r\nContent-Length: 2\r\n\r\nyo" % ROUTE.encode())
        mine = client.read_response()
        assert (mine.status, mine.body) == (200, b"hello yo")
        assert [value for name, value in mine.headers if name.lower() == b"x-marked"] == [b"yes"]
    with extended.connect() as client:
        client.send(b"GET %bs HTTP/1.1\r\nHost: proxy\r\n\r\n" % ROUTE.encode())
        assert client.read_response().status == 200
    assert [request.target for request in origin.requests] == [ROUTE.encode() + b"s"]


def test_own_route_is_read_by_the_engine_too(extended: Server) -> None:
    with extended.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" % ROUTE.encode())
        assert client.read_response().status == 400
