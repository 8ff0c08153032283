"""The demo's downstream on its own: what it says must be true before anybody reads a proxy's work from it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from downstream_proxy_demo.app import ENDPOINTS
from downstream_proxy_demo.endpoint import Endpoint
from downstream_proxy_demo.serve import make_runner
from yarl import URL

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


@pytest_asyncio.fixture
async def base() -> AsyncIterator[URL]:
    """The downstream's URL, served with the options it ships with."""
    runner = make_runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
    await runner.cleanup()


@pytest_asyncio.fixture
async def client(base: URL) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that leaves codings and cookies alone."""
    async with aiohttp.ClientSession(
        base, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


async def raw_exchange(base: URL, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to these very bytes; the connection has to end with the answer."""
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def test_echo_shows_target_header_pairs_and_body_as_they_were_on_the_wire(base: URL) -> None:
    _, body = await raw_exchange(
        base,
        b"PUT /echo/a%2Fb/..//%7e?q=+;|&empty=&q HTTP/1.1\r\nhost: demo\r\nX-TwiCe: 1\r\nx-twice: gr\xfcn\r\n"
        b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    )
    seen = json.loads(body)
    assert (seen["method"], seen["target"]) == ("PUT", "/echo/a%2Fb/..//%7e?q=+;|&empty=&q")
    assert seen["headers"][:3] == [["host", "demo"], ["X-TwiCe", "1"], ["x-twice", "grün"]]
    assert seen["body"] == {"length": 5, "sha256": hashlib.sha256(b"hello").hexdigest(), "text": "hello"}


async def test_echo_leaves_out_the_text_of_a_body_that_is_long_or_not_utf8(
    client: aiohttp.ClientSession,
) -> None:
    for body in (b"x" * 4097, b"\xff\xfe"):
        async with client.post("/anything", data=body) as response:
            seen = await response.json()
        assert seen["body"] == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest(), "text": None}


async def test_upload_counts_and_hashes_a_streamed_body(client: aiohttp.ClientSession) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield b"ab" * 16384

    async with client.put("/upload", data=pieces()) as response:
        said = await response.json()
    assert said["bytes"] == 32 * 32768
    assert said["sha256"] == hashlib.sha256(b"ab" * 16384 * 32).hexdigest()


async def test_bytes_are_the_same_for_the_same_seed_and_head_has_their_length(
    client: aiohttp.ClientSession,
) -> None:
    bodies = []
    for query in ("", "", "?seed=1"):
        async with client.get(f"/bytes/100000{query}") as response:
            bodies.append(await response.read())
    assert bodies[0] == bodies[1] != bodies[2]
    assert len(bodies[0]) == 100_000
    async with client.head("/bytes/100000") as response:
        assert response.headers["Content-Length"] == "100000"


@pytest.mark.parametrize("status", [200, 204, 299, 304, 301, 401, 404, 405, 418, 500, 599])
async def test_status_answers_with_the_status_asked_for(client: aiohttp.ClientSession, status: int) -> None:
    async with client.get(f"/status/{status}", allow_redirects=False) as response:
        assert response.status == status
        assert bool(await response.read()) == (status not in (204, 304))
        needed = {301: "Location", 401: "WWW-Authenticate", 405: "Allow"}.get(status, "Date")
        assert needed in response.headers


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/status/600", "code must be a whole number from 200 to 599"),
        ("/status/2_0", "code must be a whole number"),
        ("/delay/31", "seconds must be a number of seconds from 0 to 30"),
        ("/delay/nan", "seconds must be a number of seconds"),
        ("/delay/-1", "seconds must be a number of seconds"),
        ("/bytes/1073741825", "n must be a whole number"),
        ("/bytes/1?seed=x", "seed must be a whole number"),
        ("/stream/10001", "n must be a whole number"),
        ("/sse?n=0", "n must be a whole number from 1"),
        ("/sse?interval=61", "interval must be a number of seconds"),
        ("/drip?bytes=0", "bytes must be a whole number"),
        ("/cut/0", "n must be a whole number"),
        ("/redirect/21", "n must be a whole number from 1 to 20"),
        ("/redirect-to?url=javascript:alert(1)", "url must be a path or an http URL"),
        ("/redirect-to?url=/%0d%0aSet-Cookie:x", "url must be a path or an http URL"),
        ("/redirect-to?url=/&status=304", "status must be 301"),
        ("/cookies/set", "give 1 to 20 cookies"),
        ("/cookies/set?a=1%0d%0ab", "a cookie is a token"),
        ("/etag/%22", "tag must be"),
        ("/range/0", "n must be a whole number"),
    ],
)
async def test_input_out_of_bounds_is_refused_with_a_reason(
    client: aiohttp.ClientSession, target: str, reason: str
) -> None:
    async with client.get(URL(target, encoded=True), allow_redirects=False) as response:
        assert response.status == 400
        assert (await response.json())["error"].startswith(reason)


async def test_unknown_paths_and_methods_are_refused_in_json(client: aiohttp.ClientSession) -> None:
    async with client.get("/nowhere") as response:
        assert (response.status, (await response.json())["endpoints"]) == (404, "/")
    async with client.get("/static/../app.py") as response:
        assert response.status == 404
    async with client.post("/gzip") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")


async def test_redirects_count_down_to_echo(client: aiohttp.ClientSession) -> None:
    async with client.get("/redirect/3") as response:
        assert [str(step.headers["Location"]) for step in response.history] == [
            "/redirect/2",
            "/redirect/1",
            "/echo",
        ]
        assert (await response.json())["target"] == "/echo"
    async with client.get("/redirect-to?url=/x%3Fy&status=308", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "/x?y")


async def test_cookies_are_set_one_field_each_and_shown_as_they_came(client: aiohttp.ClientSession) -> None:
    async with client.get("/cookies/set?a=1&b=2&c=", allow_redirects=False) as response:
        fields = response.headers.getall("Set-Cookie")
    assert [field.partition(";")[0] for field in fields] == ["a=1", "b=2", "c="]
    async with client.get("/cookies", headers={"Cookie": "a=1; b=x=y"}) as response:
        assert await response.json() == {"cookies": [["a", "1"], ["b", "x=y"]], "fields": ["a=1; b=x=y"]}


async def test_coded_bodies_carry_their_coding_and_length(client: aiohttp.ClientSession) -> None:
    for coding, decode in (("gzip", gzip.decompress), ("deflate", zlib.decompress)):
        async with client.get(f"/{coding}") as response:
            body = await response.read()
            assert response.headers["Content-Encoding"] == coding
            assert response.headers["Content-Length"] == str(len(body))
            assert json.loads(decode(body))["grüße"] == "ÄÖÜ"


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("If-None-Match", '"v1"', 304),
        ("If-None-Match", '"x", W/"v1"', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"v2"', 200),
        ("If-Match", '"v2"', 412),
        ("If-Match", '"v1"', 200),
    ],
)
async def test_etag_honours_conditions(
    client: aiohttp.ClientSession, field: str, value: str, status: int
) -> None:
    async with client.get("/etag/v1", headers={field: value}) as response:
        assert (response.status, response.headers["ETag"]) == (status, '"v1"')


@pytest.mark.parametrize(
    ("value", "status", "content_range", "length"),
    [
        ("bytes=0-9", 206, "bytes 0-9/100", 10),
        ("bytes=90-", 206, "bytes 90-99/100", 10),
        ("bytes=-5", 206, "bytes 95-99/100", 5),
        ("bytes=-500", 206, "bytes 0-99/100", 100),
        ("bytes=95-1000", 206, "bytes 95-99/100", 5),
        ("bytes=100-", 416, "bytes */100", 0),
        ("bytes=-0", 416, "bytes */100", 0),
        ("bytes=9-0", 200, None, 100),
        ("bytes=-", 200, None, 100),
        ("bytes=0-1,5-6", 200, None, 100),
        ("lines=0-1", 200, None, 100),
    ],
)
async def test_range_gives_the_part_asked_for(
    client: aiohttp.ClientSession, value: str, status: int, content_range: str | None, length: int
) -> None:
    async with client.get("/range/100", headers={"Range": value}) as response:
        body = await response.read()
        assert (response.status, response.headers.get("Content-Range"), len(body)) == (
            status,
            content_range,
            length,
        )


async def test_range_is_ignored_when_if_range_names_another_version(client: aiohttp.ClientSession) -> None:
    async with client.get("/range/100", headers={"Range": "bytes=0-9", "If-Range": '"old"'}) as response:
        assert response.status == 200
    async with client.get(
        "/range/100", headers={"Range": "bytes=0-9", "If-Range": '"range-100"'}
    ) as response:
        assert response.status == 206


async def test_sse_sends_events_ends_by_name_and_resumes_after_the_last_id(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/sse?n=3&interval=0", headers={"Last-Event-ID": "1"}) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        blocks = (await response.text()).split("\n\n")
    assert [block.partition("\n")[0] for block in blocks] == ["id: 2", "id: 3", "event: end", ""]


async def test_stream_writes_each_line_as_a_chunk_of_its_own(base: URL) -> None:
    _, body = await raw_exchange(base, b"GET /stream/3 HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
    parts = body.split(b"\r\n")
    lines = [json.loads(part)["line"] for part in parts if part.startswith(b"{")]
    assert lines == [1, 2, 3]
    assert len(parts) == 2 * 3 + 3, "three chunks, the last chunk and the end"


async def test_drip_sends_all_octets_and_delay_answers(client: aiohttp.ClientSession) -> None:
    async with client.get("/drip?bytes=4&duration=0.1") as response:
        assert await response.read() == b"****"
    async with client.get("/delay/0.05") as response:
        assert await response.json() == {"delayed": 0.05}


async def test_cut_announces_more_than_it_sends(base: URL) -> None:
    head, body = await raw_exchange(base, b"GET /cut/100 HTTP/1.1\r\nHost: demo\r\n\r\n")
    assert b"Content-Length: 200" in head
    assert body == b"#" * 100


async def test_websocket_echoes_chooses_a_subprotocol_and_closes_as_told(
    client: aiohttp.ClientSession,
) -> None:
    async with client.ws_connect("/ws", protocols=("unknown", "chat")) as socket:
        assert socket.protocol == "chat"
        await socket.send_str("close 1006 never")
        assert (await socket.receive()).data == "close 1006 never"
        await socket.send_bytes(b"\x00\xff")
        assert (await socket.receive()).data == b"\x00\xff"
        await socket.send_str("close 4001 bye")
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "bye")


async def test_websocket_endpoint_asks_others_to_upgrade(client: aiohttp.ClientSession) -> None:
    async with client.get("/ws") as response:
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


async def test_root_is_a_page_for_a_browser_and_a_list_for_curl(client: aiohttp.ClientSession) -> None:
    async with client.get("/", headers={"Accept": "text/html,*/*"}) as response:
        assert response.content_type == "text/html"
        assert response.headers["Vary"] == "Accept"
        page = await response.text()
    async with client.get("/") as response:
        listing = await response.text()
    assert all(endpoint.example in listing for endpoint in ENDPOINTS)
    for name in ("/static/page.css", "/static/page.js", "/image.svg"):
        assert name in page
        async with client.get(name) as response:
            assert response.status == 200
            tag = response.headers["ETag"]
        async with client.get(name, headers={"If-None-Match": tag}) as response:
            assert response.status == 304


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
async def test_each_listed_example_works_as_it_stands(
    client: aiohttp.ClientSession, endpoint: Endpoint
) -> None:
    example = endpoint.example
    for slow in ("/delay/1.5", "interval=0.5", "interval=1", "duration=2"):
        example = example.replace(slow, slow.rpartition("=")[0] + "=0.01" if "=" in slow else "/delay/0.01")
    method = "GET" if "GET" in endpoint.methods else "POST"
    async with client.request(method, URL(example, encoded=True)) as response:
        expected = {"/status/418": 418, "/ws": 426}.get(example, 200)
        assert response.status == expected
        if not example.startswith("/cut"):
            await response.read()
