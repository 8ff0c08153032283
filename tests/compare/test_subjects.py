"""Every client library behind both backends, and every recipe, relays a request and its answer."""

from __future__ import annotations

import pytest

from compare.clients.registry import CLIENTS
from compare.recipes import RECIPES
from compare.running import Scene, scene
from compare.subjects import SUBJECTS, Backend


def round_trip(stage: Scene) -> None:
    """A GET, and a POST whose body the origin gives back."""
    assert stage.ask("/one") == "200"
    with stage.connect() as client:
        client.sendall(
            b"POST /two HTTP/1.1\r\nHost: proxy\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        )
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert stage.origin.seen("/two")[0].body == b"hello"


@pytest.mark.parametrize("carrier", ["aiohttp", "fastapi"])
@pytest.mark.parametrize("name", CLIENTS)
def test_client_behind_a_backend_makes_the_round_trip(name: str, carrier: Backend) -> None:
    assert SUBJECTS[name].available() is None
    with scene(SUBJECTS[name], carrier) as stage:
        round_trip(stage)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_makes_the_round_trip(name: str) -> None:
    assert SUBJECTS[name].available() is None
    with scene(SUBJECTS[name]) as stage:
        round_trip(stage)
