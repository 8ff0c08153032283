"""No byte crosses from one client to another over the shared pool, with clients that leave at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from ..backends import Backend
from .crowd import MirrorOrigin, crowd

REQUESTS = 10_000
LANES = 40

# By name and not by address: client libraries keep cookies for host names only. A pool smaller than the crowd
# makes every connection serve many clients.
SETTINGS = """
request_id = false
[downstreams.default]
url = "http://localhost:$PORT"
pool = { max_connections = 16, max_queue = 1000 }
"""


@pytest.fixture(scope="module")
def mirror() -> Iterator[MirrorOrigin]:
    origin = MirrorOrigin()
    yield origin
    origin.stop()


def test_nothing_crosses_between_clients(
    backend: Backend, mirror: MirrorOrigin, seed: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mirror.reset()
    server = backend.server(SETTINGS, mirror, tmp_path_factory.getbasetemp())
    tally = asyncio.run(crowd(server.address, REQUESTS, LANES, seed))
    assert not tally.wrong, f"{len(tally.wrong)} went wrong\n" + "\n".join(tally.wrong[:5])
    assert tally.whole + tally.left == REQUESTS
    assert tally.whole > REQUESTS // 2
    assert tally.left > REQUESTS // 5
    # The downstream reads strictly and wants one token in each request.
    assert not mirror.errors, mirror.errors[:5]
    reused = [conn for conn in mirror.connections if len(conn.requests) > 1]
    assert sum(len(conn.requests) for conn in reused) > REQUESTS // 4, "connections were hardly shared"
    assert "Traceback" not in (log := server.new_log()), log[-4000:]
