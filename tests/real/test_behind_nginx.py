"""nginx in front of each backend, with a pool of kept connections: the usual place on the internet."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from ..backends import Backend
from . import nginx
from .conftest import Through
from .curl import curl
from .programs import find

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def front_url(backend: Backend, demo_url: str, through: Through, tmp_path: Path) -> Iterator[str]:
    """nginx, then the backend, then the demo's downstream; the backend trusts nginx as a proxy."""
    del backend
    url = through(demo_url, "--no-access-log", "--forwarded-allow-ips", "127.0.0.1")
    with nginx.front(url.removeprefix("http://"), tmp_path) as front:
        yield front


def test_requests_cross_both_proxies(front_url: str, demo_url: str) -> None:
    seen = json.loads(curl(front_url + "/echo/a%2Fb?q=%7E;+", "-H", "X-Mine: kept", "-d", "body").body)
    assert (seen["method"], seen["target"]) == ("POST", "/echo/a%2Fb?q=%7E;+")
    assert seen["body"]["text"] == "body"
    assert ["X-Mine", "kept"] in seen["headers"]
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert fields["x-forwarded-for"].startswith("127.0.0.1")
    assert curl(front_url + "/bytes/3000000").body == curl(demo_url + "/bytes/3000000").body


def test_an_upload_streams_through_both_proxies(front_url: str, tmp_path: Path) -> None:
    file = tmp_path / "upload.bin"
    file.write_bytes(b"0123456789abcdef" * 262_144)
    said = json.loads(curl(front_url + "/upload", "-T", str(file)).body)
    assert (said["bytes"], said["sha256"]) == (4_194_304, hashlib.sha256(file.read_bytes()).hexdigest())


def test_a_body_that_breaks_off_does_not_look_complete_behind_nginx(front_url: str) -> None:
    answer = curl(front_url + "/cut/5000")
    assert (answer.status, answer.body) == (200, b"#" * 5000)
    assert answer.exit_code == 18, "curl: transfer closed with outstanding read data remaining"


async def test_events_and_websocket_cross_both_proxies(front_url: str) -> None:
    async with aiohttp.ClientSession(front_url) as session:
        async with session.get("/sse?n=3&interval=0.05") as response:
            blocks = (await response.text()).split("\n\n")
        assert [block.partition("\n")[0] for block in blocks[:3]] == ["id: 1", "id: 2", "id: 3"]
        async with session.ws_connect("/ws", protocols=("chat",)) as socket:
            await socket.send_str("through nginx")
            assert (socket.protocol, await socket.receive_str()) == ("chat", "through nginx")
            await socket.send_str("close 4001 bye")
            closing = await socket.receive()
            assert (closing.data, closing.extra) == (4001, "bye")


def test_kept_connections_of_nginx_bear_load_without_an_error(front_url: str) -> None:
    command = [
        find("wrk", "wrk"),
        "--threads",
        "1",
        "--connections",
        "16",
        "--duration",
        "1s",
        front_url + "/etag/v1",
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    requests = re.search(r"([0-9]+) requests in", said)
    assert requests is not None
    assert int(requests[1]) > 50, said
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
