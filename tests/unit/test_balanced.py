"""The balanced downstream keeps the seam's promises, and tells roster and breaker how each exchange ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from downstream_proxy.admission import Admission
from downstream_proxy.balancing.balanced import BalancedDownstream
from downstream_proxy.balancing.status import BreakerStatus
from downstream_proxy.connecting import Address
from downstream_proxy.downstream import DownstreamResponse
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.headers import FieldEdits, RequestFields
from downstream_proxy.http1.response_body import ResponseBody
from downstream_proxy.identity import ForwardedFields, RequestIds, TrustedPeers
from downstream_proxy.message import IncomingRequest, OutgoingRequest
from downstream_proxy.metrics import Metrics
from downstream_proxy.route import Identity, Route
from downstream_proxy.settings import DownstreamSettings, Settings
from downstream_proxy.wire_downstream import WireDownstream

URLS = ("http://a:1", "http://b:2", "http://c:3")


class Origin:
    """One address: answers 200, raises `error`, or waits until it is given up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open_now = False
        self.error: ErrorKind | None = None
        self.hangs = False
        self.status = 200
        self.early_end = False
        self.asked: list[tuple[bytes, bytes]] = []
        self.ends: list[Callable[[], None]] = []
        self.bodies: list[ResponseBody] = []

    async def open(self) -> None:
        self.open_now = True

    async def close(self) -> None:
        self.open_now = False

    async def send(self, request: OutgoingRequest, finished: Callable[[], None]) -> DownstreamResponse:
        self.asked.append(request.headers[0])
        if self.hangs:
            try:
                await asyncio.sleep(60)
            finally:
                finished()
        if self.error is not None:
            finished()
            raise ProxyError(self.error)
        body = ResponseBody(asyncio.get_running_loop(), lambda: None, lambda: None)
        self.bodies.append(body)
        self.ends.append(finished)
        if self.early_end:
            body.finish()
            finished()
        return DownstreamResponse(self.status, b"", [(b"A", b"b")], (), None, True, body)


class Lab:
    def __init__(self, **settings: Any) -> None:
        self.origins: dict[str, Origin] = {}
        self.finished = 0
        made = DownstreamSettings.model_validate({"urls": URLS} | settings)
        self.balanced = BalancedDownstream("x", made, self._make)

    def _make(self, settings: DownstreamSettings, address: Address) -> Origin:
        return self.origins.setdefault(address.url.host or "", Origin(str(address.url)))

    def request(self) -> OutgoingRequest:
        return OutgoingRequest(b"GET", b"/x", [(b"Host", b"client"), (b"Cookie", b"c")])

    async def send(self, request: OutgoingRequest | None = None) -> DownstreamResponse:
        return await self.balanced.send(request or self.request(), self._finished)

    def _finished(self) -> None:
        self.finished += 1

    def inflight(self) -> list[int]:
        return [status.inflight for status in self.balanced.addresses()]

    def states(self) -> list[str]:
        return [status.state for status in self.balanced.addresses()]

    def failures(self) -> int:
        return sum(status.failures for status in self.balanced.addresses())


async def test_opens_and_closes_every_address() -> None:
    lab = Lab()
    await lab.balanced.open()
    assert [origin.open_now for origin in lab.origins.values()] == [True] * 3
    await lab.balanced.close()
    assert [origin.open_now for origin in lab.origins.values()] == [False] * 3


async def test_host_is_the_addresss_own_unless_the_clients_is_asked_for() -> None:
    lab = Lab(balance={"policy": "round_robin"})
    for _ in range(3):
        await lab.send()
    assert {origin.asked[0] for origin in lab.origins.values()} == {
        (b"Host", b"a:1"),
        (b"Host", b"b:2"),
        (b"Host", b"c:3"),
    }
    lab = Lab(host_header="client")
    await lab.send()
    assert [asked for origin in lab.origins.values() for asked in origin.asked] == [(b"Host", b"client")]


@pytest.mark.parametrize("edits", [FieldEdits(), FieldEdits(frozenset({b"host"}))])
def test_host_comes_first_whatever_the_rules_are(edits: FieldEdits) -> None:
    fields = RequestFields(
        host=b"down",
        via=b"p",
        forwarded=ForwardedFields("both"),
        trusted=TrustedPeers(()),
        request_ids=RequestIds(),
        keep_underscores=False,
        edits=edits,
    )
    request = IncomingRequest(b"GET", b"/", [(b"A", b"b"), (b"Connection", b"host, a")], b"client")
    assert fields(request)[0][0] == (b"Host", b"down")


async def test_place_is_given_back_once_when_the_content_has_ended() -> None:
    lab = Lab(urls=URLS[:1], health={"path": "/"})
    origin = lab.origins["a"]
    response = await lab.send()
    assert (lab.inflight(), lab.finished) == ([1], 0)
    response.body.finish()
    origin.ends[0]()
    assert (lab.inflight(), lab.finished) == ([0], 1)
    origin.early_end = True
    await lab.send()
    assert (lab.inflight(), lab.finished) == ([0], 2)
    origin.error = ErrorKind.CONNECTION_REFUSED
    with pytest.raises(ProxyError):
        await lab.send()
    assert (lab.inflight(), lab.finished) == ([0], 3)


async def test_failed_request_knows_where_it_failed_and_whether_there_is_another() -> None:
    lab = Lab()
    for origin in lab.origins.values():
        origin.error = ErrorKind.CONNECT_TIMEOUT
    request = lab.request()
    seen = []
    for _ in range(3):
        with pytest.raises(ProxyError):
            await lab.send(request)
        seen.append(request.elsewhere)
    assert seen == [True, True, False]
    assert sorted(request.tried) == [0, 1, 2]
    assert [len(origin.asked) for origin in lab.origins.values()] == [1, 1, 1]


@pytest.mark.parametrize(("header", "elsewhere"), [("Cookie", False), ("X-None", True)])
async def test_closed_idle_connection_parts_nobody_from_its_address(header: str, elsewhere: bool) -> None:
    lab = Lab(balance={"affinity_header": header})
    for origin in lab.origins.values():
        origin.error = ErrorKind.STALE_CONNECTION
    request = lab.request()
    for _ in range(2):
        with pytest.raises(ProxyError):
            await lab.send(request)
    asked = [len(origin.asked) for origin in lab.origins.values() if origin.asked]
    assert asked == ([1, 1] if elsewhere else [2])


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (ErrorKind.CONNECTION_REFUSED, True),
        (ErrorKind.DNS_ERROR, True),
        (ErrorKind.HEAD_TIMEOUT, True),
        (ErrorKind.CLOSED_BEFORE_HEAD, True),
        (ErrorKind.STALE_CONNECTION, False),
        (ErrorKind.REQUEST_NOT_TAKEN, False),
        (ErrorKind.CLIENT_GONE, False),
        (ErrorKind.MALFORMED_REQUEST_BODY, False),
        (ErrorKind.OUT_OF_DESCRIPTORS, False),
    ],
)
async def test_only_what_is_the_downstreams_counts_against_an_address(kind: ErrorKind, counts: bool) -> None:
    lab = Lab()
    for origin in lab.origins.values():
        origin.error = kind
    with pytest.raises(ProxyError):
        await lab.send()
    assert lab.failures() == int(counts)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (ErrorKind.RESPONSE_INCOMPLETE, True),
        (ErrorKind.CLIENT_GONE, False),
        (ErrorKind.READ_IDLE_TIMEOUT, False),
    ],
)
async def test_content_that_breaks_off_counts_when_it_is_the_downstreams_doing(
    kind: ErrorKind, counts: bool
) -> None:
    lab = Lab(urls=URLS[:1], health={"path": "/"})
    response = await lab.send()
    response.body.fail(ProxyError(kind))
    lab.origins["a"].ends[0]()
    assert lab.failures() == int(counts)


async def test_client_that_leaves_counts_for_nothing_and_the_total_time_out_does() -> None:
    lab = Lab(urls=URLS[:1], health={"path": "/"}, timeouts={"total": 0.1})
    lab.origins["a"].hangs = True
    task = asyncio.create_task(lab.send())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (lab.failures(), lab.finished) == (0, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await lab.send()
    assert (lab.failures(), lab.finished) == (1, 2)
    assert lab.inflight() == [0]


BREAKER = {"failures": 0.5, "min_requests": 2, "first": 300}


async def test_open_breaker_refuses_before_anybody_is_asked() -> None:
    lab = Lab(urls=URLS[:1], breaker=BREAKER)
    lab.origins["a"].error = ErrorKind.CONNECTION_REFUSED
    for kind in (ErrorKind.CONNECTION_REFUSED, ErrorKind.CONNECTION_REFUSED, ErrorKind.CIRCUIT_OPEN):
        with pytest.raises(ProxyError) as raised:
            await lab.send()
        assert raised.value.kind is kind
    assert lab.finished == 3
    assert len(lab.origins["a"].asked) == 2
    assert lab.balanced.breaker_status().state == "open"


async def test_opening_ends_the_wait_for_a_place() -> None:
    lab = Lab(urls=URLS[:1], breaker=BREAKER, pool={"max_connections": 1})
    admission = lab.balanced.admission
    await admission.enter()
    waiting = asyncio.create_task(admission.enter())
    await asyncio.sleep(0)
    lab.origins["a"].error = ErrorKind.HEAD_TIMEOUT
    for _ in range(2):
        with pytest.raises(ProxyError):
            await lab.send()
    for attempt in (waiting, asyncio.create_task(admission.enter())):
        with pytest.raises(ProxyError) as raised:
            await attempt
        assert raised.value.kind is ErrorKind.CIRCUIT_OPEN
    assert (admission.in_use, admission.waiting) == (1, 0)
    admission.leave()
    assert not admission.try_enter(), "there is a place, and nothing to do with it"


async def test_breaker_opens_when_no_address_is_left_and_tries_when_one_is_back() -> None:
    lab = Lab(breaker=BREAKER | {"min_requests": 1000})
    roster, members = lab.balanced.roster, lab.balanced.roster.members
    for member in members:
        roster.checked(member, "connection-refused")
    with pytest.raises(ProxyError) as raised:
        await lab.send()
    assert raised.value.kind is ErrorKind.CIRCUIT_OPEN
    for _ in range(2):
        roster.checked(members[1], None)
    for origin in lab.origins.values():
        origin.early_end = True
    await lab.send()
    assert lab.balanced.breaker_status().state == "closed"
    assert len(lab.origins["b"].asked) == 1


async def test_probe_succeeds_with_its_head() -> None:
    lab = Lab(urls=URLS[:1], breaker=BREAKER)
    breaker = lab.balanced.breaker
    assert breaker is not None
    breaker.trip("for the test")
    breaker.try_now()
    response = await lab.send()
    assert lab.balanced.breaker_status().state == "closed"
    response.body.fail(ProxyError(ErrorKind.RESPONSE_INCOMPLETE))
    lab.origins["a"].ends[0]()
    assert breaker.closed


def route(**settings: Any) -> Route:
    made = DownstreamSettings.model_validate(settings)
    metrics = Metrics()
    return Route("x", made, Identity(Settings()), metrics.of("x"), WireDownstream)


def test_one_address_that_is_not_watched_costs_nothing() -> None:
    plain = route(url=URLS[0], eject={"failures": 1})
    assert isinstance(plain.downstream, WireDownstream)
    assert type(plain.admission) is Admission
    assert [status.url for status in plain.addresses()] == [URLS[0]]
    assert plain.breaker() == BreakerStatus("off")
    plain.admission.try_enter()
    assert plain.addresses()[0].inflight == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"urls": URLS},
        {"url": URLS[0], "health": {"path": "/"}},
        {"url": URLS[0], "breaker": {"failures": 0.5}},
    ],
)
def test_what_is_to_be_watched_is(settings: dict[str, Any]) -> None:
    watched = route(**settings)
    assert isinstance(watched.downstream, BalancedDownstream)
    assert watched.admission is watched.downstream.admission
