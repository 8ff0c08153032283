"""The client libraries of the comparison: small files, one seam, and what the seam itself promises."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from downstream_proxy.connecting import Address
from downstream_proxy.contract import RULES
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.message import HeaderPairs, OutgoingRequest
from downstream_proxy.settings import DownstreamSettings

from compare.behaviour_topics import TOPICS
from compare.clients.registry import CLIENTS
from compare.clients.seam import Answer, Seam, Upload
from compare.recipes import RECIPES
from compare.subjects import SUBJECTS
from tests.origin import Connection, Origin
from tests.recorded import Request

FILES = Path(__file__).resolve().parents[2] / "compare" / "clients"
HERE = [name for name, library in CLIENTS.items() if not library.apart]


@pytest.fixture
def origin() -> Iterator[Origin]:
    made = Origin()
    yield made
    made.stop()


def settings(origin: Origin) -> DownstreamSettings:
    return DownstreamSettings(url=f"http://{origin.authority.decode()}")


class Finished:
    """Counts that an exchange was told to be over."""

    def __init__(self) -> None:
        self.times = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.event.set()


@pytest.mark.parametrize("name", CLIENTS)
def test_file_is_small_and_states_its_settings(name: str) -> None:
    text = (FILES / f"{CLIENTS[name].file}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert "Settings" in text.split('"""')[1]
    assert "make_downstream" in text


@pytest.mark.parametrize("name", HERE)
async def test_library_exchanges_a_request_for_an_answer(name: str, origin: Origin) -> None:
    made = settings(origin)
    module = importlib.import_module(CLIENTS[name].module)
    client: Seam = module.make_downstream(made, Address.parse(f"http://{origin.authority.decode()}"))
    await client.open()
    finished = Finished()
    try:
        request = OutgoingRequest(b"GET", b"/a?b=c", [(b"Host", origin.authority), (b"X-One", b"1")])
        response = await client.send(request, finished)
        content = b""
        while piece := await response.body.readany():
            content += piece
        await asyncio.wait_for(finished.event.wait(), 5)
    finally:
        await client.close()
    assert response.status == 200
    assert content.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert origin.seen("/a")[0].all(b"x-one") == [b"1"]
    assert finished.times == 1


class Library(Seam):
    """A library that answers what it is told to."""

    name = "made up"
    errors = {ConnectionError: ErrorKind.CLOSED_BEFORE_HEAD}  # noqa: RUF012  # as every file of a library

    def __init__(self, answer: list[bytes | Exception], headers: HeaderPairs) -> None:
        super().__init__(DownstreamSettings(url="http://h"), Address.parse("http://h"))
        self.answer = answer
        self.headers = headers
        self.closed = 0

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        return Answer(200, b"OK", self.headers, self.chunks(), self.end)

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self.answer:
            if isinstance(part, Exception):
                raise part
            yield part

    async def end(self) -> None:
        self.closed += 1


GET = OutgoingRequest(b"GET", b"/", [])


async def test_failure_within_the_content_comes_after_the_content() -> None:
    library, finished = Library([b"abc", ConnectionError()], []), Finished()
    response = await library.send(GET, finished)
    assert await response.body.readany() == b"abc"
    with pytest.raises(ProxyError) as caught:
        await response.body.readany()
    assert caught.value.kind is ErrorKind.RESPONSE_INCOMPLETE
    await finished.event.wait()
    assert library.closed == 1


async def test_abort_at_once_still_closes_and_finishes() -> None:
    library, finished = Library([b"abc"], []), Finished()
    response = await library.send(GET, finished)
    response.abort()
    await asyncio.wait_for(finished.event.wait(), 5)
    assert (library.closed, finished.times) == (1, 1)


async def test_reader_at_rest_stops_the_library() -> None:
    library, finished = Library([b"x" * 65536] * 100, []), Finished()
    response = await library.send(GET, finished)
    for _ in range(50):
        await asyncio.sleep(0)
    assert response.body.size <= 2 * 65536 + 65536
    response.abort()
    await asyncio.wait_for(finished.event.wait(), 5)


async def test_line_end_in_a_field_is_refused() -> None:
    library, finished = Library([], [(b"set-cookie", b"a=1\nb=2")]), Finished()
    with pytest.raises(ProxyError) as caught:
        await library.send(GET, finished)
    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
    assert (library.closed, finished.times) == (1, 1)


async def test_upgrade_is_not_offered() -> None:
    finished = Finished()
    with pytest.raises(ProxyError) as caught:
        await Library([], []).send(OutgoingRequest(b"GET", b"/", [], upgrade=b"websocket"), finished)
    assert caught.value.kind is ErrorKind.UPGRADE_FAILED
    assert finished.times == 1


async def test_repeated_fields_for_a_dict_are_joined() -> None:
    request = OutgoingRequest(b"GET", b"/", [(b"X-A", b"1"), (b"x-a", b"2")])
    library = Library([], [])
    assert library.merged_fields(request) == {"X-A": "1, 2"}
    assert library.one_case_fields(request) == [("X-A", "1"), ("X-A", "2")]


async def test_blocking_answer_cut_short_is_told(origin: Origin) -> None:
    async def cut(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        conn.close()

    origin.script("/cut", cut)
    module = importlib.import_module(CLIENTS["urllib3"].module)
    client: Seam = module.make_downstream(
        settings(origin), Address.parse(f"http://{origin.authority.decode()}")
    )
    await client.open()
    finished = Finished()
    try:
        response = await client.send(
            OutgoingRequest(b"GET", b"/cut", [(b"Host", origin.authority)]), finished
        )
        assert await response.body.readany() == b"hello"
        with pytest.raises(ProxyError):
            await response.body.readany()
        await asyncio.wait_for(finished.event.wait(), 5)
    finally:
        await client.close()


def test_subjects_are_all_that_the_comparison_names() -> None:
    assert set(CLIENTS) <= SUBJECTS.keys()
    assert set(RECIPES) <= SUBJECTS.keys()
    assert {"aiohttp-backend", "fastapi-backend", "nginx", "haproxy", "caddy"} <= SUBJECTS.keys()
    assert len(RECIPES) == 8


def test_topics_name_rules_of_the_contract() -> None:
    assert all(rule in RULES for topic in TOPICS for rule in topic.rules)
    assert len({topic.id for topic in TOPICS}) == len(TOPICS)
