"""Chapters operations and failures, where a downstream has several addresses: one server, a route for each
matter, three origins."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from ..origin import Origin
from ..scripts import ok, reply, stall
from ..wire import Response
from .lab import Lab, get, post, rule

ProxyWith = Callable[[str], Lab]
Trio = tuple[Origin, Origin, Origin]

# No address that is out comes back while a test looks, unless the test is about that.
OUT = 'eject = { first = 300 }\nbalance = { policy = "round_robin", slow_start = 0 }\n'


def routes(a: str, b: str, c: str, nobody: str) -> str:
    """The settings of the one server."""
    tables = {
        "spread": (f'["{a}", "{b}", "{c}"]', 'balance = { policy = "round_robin" }'),
        "client-host": (f'["{a}", "{b}"]', 'host_header = "client"'),
        "get": (f'["{a}", "{b}"]', OUT),
        "post": (f'["{nobody}", "{b}"]', OUT),
        "all": (f'["{a}", "{b}", "{c}"]', OUT),
        "clients": (
            f'["{a}", "{b}"]',
            "eject = { failures = 1, first = 300 }\n"
            'balance = { policy = "round_robin" }\nlimits = { max_response_head = 1024 }',
        ),
        "status": (
            f'["{a}", "{b}"]',
            'eject = { failures = 1, first = 300, status = ["502-504"] }\n'
            'balance = { policy = "round_robin" }',
        ),
        "plain": (f'["{a}", "{b}"]', 'eject = { failures = 1 }\nbalance = { policy = "round_robin" }'),
        "back": (
            f'["{a}", "{b}"]',
            'eject = { failures = 1, first = 0.2 }\nbalance = { policy = "round_robin", slow_start = 0 }',
        ),
        "cookie": (
            f'["{a}", "{b}", "{c}"]',
            'balance = { affinity_cookie = "at", slow_start = 0 }\neject = { failures = 1, first = 300 }',
        ),
        "header": (f'["{a}", "{b}", "{c}"]', 'balance = { affinity_header = "X-User" }'),
        "open": (f'["{a}"]', "breaker = { failures = 0.5, min_requests = 4, first = 300 }"),
        "half": (f'["{a}"]', "breaker = { failures = 0.5, min_requests = 4, first = 0.2 }"),
    }
    return "".join(
        f'[downstreams.{name}]\nprefix = "/{name}"\nurls = {urls}\n{more}\n'
        for name, (urls, more) in tables.items()
    )


@pytest.fixture(scope="module")
def the_trio() -> Iterator[Trio]:
    origins = Origin(), Origin(), Origin()
    yield origins
    for origin in origins:
        origin.stop()


@pytest.fixture(scope="module")
def settings(the_trio: Trio) -> str:
    gone = Origin()
    gone.stop()
    urls = [f"http://{origin.authority.decode()}" for origin in (*the_trio, gone)]
    return routes(*urls)


@pytest.fixture
def trio(the_trio: Trio) -> Iterator[Trio]:
    for origin in the_trio:
        origin.reset()
    yield the_trio
    for origin in the_trio:
        assert not origin.errors


@pytest.fixture
def lab(proxy_with: ProxyWith, settings: str, trio: Trio) -> Lab:
    return proxy_with(settings)


def counts(trio: Trio, target: bytes) -> list[int]:
    return [len(origin.seen(target)) for origin in trio]


def kind(response: Response) -> str:
    return str(json.loads(response.body)["type"]).rpartition(":")[2]


@rule("operations.addresses")
def test_each_address_gets_its_share_and_its_own_host(lab: Lab, trio: Trio) -> None:
    for _ in range(12):
        assert lab.ask(get(b"/spread")).status == 200
    assert counts(trio, b"/spread") == [4, 4, 4]
    for origin in trio:
        assert all(b"Host: " + origin.authority in request.lines for request in origin.seen(b"/spread"))


@rule("operations.addresses", "headers.host")
def test_the_clients_host_is_the_same_at_each_address(lab: Lab, trio: Trio) -> None:
    for _ in range(20):
        assert lab.ask(get(b"/client-host")).status == 200
    for origin in trio[:2]:
        assert all(b"Host: proxy" in request.lines for request in origin.seen(b"/client-host"))


@rule("failures.another-address", "failures.ejection")
def test_get_that_got_no_answer_is_asked_elsewhere_until_the_address_is_out(lab: Lab, trio: Trio) -> None:
    trio[0].script("/get", reply(b"", reset=True))
    for _ in range(12):
        assert lab.ask(get(b"/get")).status == 200
    assert counts(trio, b"/get")[:2] == [3, 12]


@rule("failures.another-address", "failures.post-never-twice")
def test_post_goes_elsewhere_only_when_it_was_not_sent(lab: Lab, trio: Trio) -> None:
    for number in range(8):
        assert lab.ask(post(b"/post", b"%d" % number)).status == 200
    bodies = [request.body for request in trio[1].seen(b"/post")]
    assert bodies == [b"%d" % number for number in range(8)]


@rule("failures.post-never-twice", "failures.ejection")
def test_post_that_got_no_answer_is_not_asked_elsewhere(lab: Lab, trio: Trio) -> None:
    for origin in trio:
        origin.script("/all", reply(b"", reset=True))
    # None goes out while others answer in between; in the end all but the one that must stay are out.
    statuses = {lab.ask(post(b"/all", b"x")).status for _ in range(9)}
    assert statuses == {502}
    assert sum(counts(trio, b"/all")) == 9


@rule("failures.ejection")
def test_nothing_a_client_does_takes_an_address_out(lab: Lab, trio: Trio) -> None:
    for origin in trio[:2]:
        origin.script("/clients/stall", stall)
    for count in (1, 2):
        lab.send(get(b"/clients/stall"))
        lab.send(get(b"/clients/stall"))
        conns = [origin.wait_head("/clients/stall", count).conn for origin in trio[:2]]
        for client in lab.clients:
            client.close()
        for origin, conn in zip(trio, conns, strict=False):
            origin.wait_closed(conn)
    for _ in range(4):
        bad = get(b"/clients/bad", b"Transfer-Encoding: chunked", method=b"POST") + b"zz\r\n"
        assert lab.ask(bad).status == 400
    for _ in range(6):
        assert lab.ask(get(b"/clients/well")).status == 200
    assert counts(trio, b"/clients/well")[:2] == [3, 3]


@rule("failures.ejection")
def test_statuses_count_only_when_told_to(lab: Lab, trio: Trio) -> None:
    for path in (b"/status", b"/plain"):
        trio[0].script(path, reply(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
        for _ in range(8):
            lab.ask(get(path))
    assert counts(trio, b"/status")[:2] == [1, 7]
    assert counts(trio, b"/plain")[:2] == [4, 4]


@rule("failures.ejection")
def test_ejected_address_is_asked_again_when_its_time_is_over(lab: Lab, trio: Trio) -> None:
    trio[0].script("/back", reply(b"", reset=True))
    while not trio[0].seen("/back"):
        assert lab.ask(get(b"/back")).status == 200
    trio[0].script("/back", reply(ok(b"well again")))
    deadline = time.monotonic() + 5
    while lab.ask(get(b"/back")).body != b"well again":
        assert time.monotonic() < deadline
    assert len(trio[0].seen("/back")) == 2


@rule("operations.affinity")
def test_cookie_keeps_a_client_at_its_address_and_moves_it_with_a_new_one(lab: Lab, trio: Trio) -> None:
    first = lab.ask(get(b"/cookie"))
    cookie, _, attributes = (first.one(b"set-cookie") or b"").partition(b"; ")
    assert attributes == b"Path=/; HttpOnly; SameSite=Lax"
    home = next(origin for origin in trio if origin.seen("/cookie"))
    for _ in range(10):
        assert lab.ask(get(b"/cookie", b"Cookie: a=b; " + cookie)).one(b"set-cookie") is None
    assert len(home.seen("/cookie")) == 11
    assert {lab.ask(get(b"/cookie")).one(b"set-cookie") for _ in range(5)} - {None}
    home.script("/cookie", reply(b"", reset=True))
    moved = lab.ask(get(b"/cookie", b"Cookie: " + cookie))
    assert moved.status == 200
    other = (moved.one(b"set-cookie") or b"").partition(b"; ")[0]
    assert other not in (b"", cookie)
    before = counts(trio, b"/cookie")
    for _ in range(5):
        assert lab.ask(get(b"/cookie", b"Cookie: " + other)).one(b"set-cookie") is None
    assert sorted(now - then for now, then in zip(counts(trio, b"/cookie"), before, strict=True)) == [0, 0, 5]


@rule("operations.affinity")
def test_header_keeps_equal_values_together(lab: Lab, trio: Trio) -> None:
    homes = set()
    for user in range(12):
        for _ in range(3):
            assert lab.ask(get(b"/header/%d" % user, b"X-User: user-%d" % user)).one(b"set-cookie") is None
        seen = counts(trio, b"/header/%d" % user)
        assert sorted(seen) == [0, 0, 3]
        homes.add(seen.index(3))
    assert homes == {0, 1, 2}


@rule("failures.circuit-open")
def test_open_circuit_answers_at_once_and_asks_nobody(lab: Lab, trio: Trio) -> None:
    trio[0].script("/open", reply(b"", reset=True))
    assert [lab.ask(post(b"/open", b"x")).status for _ in range(4)] == [502] * 4
    refused = lab.ask(get(b"/open"))
    assert (refused.status, kind(refused)) == (503, "circuit-open")
    assert refused.one(b"proxy-status") == b"downstream-proxy; error=destination_unavailable"
    assert refused.one(b"retry-after") is not None
    assert len(trio[0].seen("/open")) == 4
    assert lab.ask(get(b"/plain")).status == 200


@rule("failures.circuit-open")
def test_circuit_closes_after_a_request_that_was_let_through_succeeds(lab: Lab, trio: Trio) -> None:
    trio[0].script("/half", reply(b"", reset=True))
    for _ in range(4):
        lab.ask(post(b"/half", b"x"))
    assert kind(lab.ask(get(b"/half"))) == "circuit-open"
    trio[0].script("/half", reply(ok(b"well again")))
    deadline = time.monotonic() + 5
    while (response := lab.ask(get(b"/half"))).status != 200:
        assert kind(response) == "circuit-open"
        assert time.monotonic() < deadline
    assert [lab.ask(get(b"/half")).status for _ in range(5)] == [200] * 5


@rule("operations.health-checks")
def test_address_that_fails_its_checks_is_asked_for_nothing_else(
    start: Callable[[str], Lab], trio: Trio
) -> None:
    a, b = trio[:2]
    a.script("/base/alive?deep=1", reply(b"HTTP/1.1 500 Ill\r\nContent-Length: 3\r\n\r\nill"))
    lab = start(
        f'[downstreams.checked]\nurls = ["http://{a.authority.decode()}/base", '
        f'"http://{b.authority.decode()}/base"]\n'
        'health = { path = "/alive?deep=1", interval = 0.05 }\nbalance = { slow_start = 0 }\n'
    )
    check = b.wait_head("/base/alive", 2)
    assert check.lines[0] == b"GET /base/alive?deep=1 HTTP/1.1"
    assert b"Host: " + b.authority in check.lines
    a.wait_head("/base/alive", 2)
    before = len(a.seen("/base/x"))
    for _ in range(10):
        assert lab.ask(get(b"/x")).status == 200
    assert len(a.seen("/base/x")) == before
    a.script("/base/alive?deep=1", reply(ok(b"well")))
    a.wait_head("/base/alive", len(a.seen("/base/alive")) + 4)
    for _ in range(20):
        assert lab.ask(get(b"/x")).status == 200
    assert len(a.seen("/base/x")) > before


@rule("operations.health-checks", "operations.reload")
def test_configuration_that_is_replaced_checks_no_more_though_a_request_lingers(
    start: Callable[[str], Lab], trio: Trio
) -> None:
    origin = trio[0]
    text = (
        f'[downstreams.checked]\nurl = "http://{origin.authority.decode()}"\n'
        'health = { path = "/check/%d", interval = 0.05 }\n'
    )
    lab = start(text % 0)
    origin.wait_head("/check/0", 2)
    origin.script("/lingers", stall)
    lab.send(get(b"/lingers"))
    origin.wait_head("/lingers")
    for number in (1, 2):
        lab.server.configure(text % number)
        lab.server.signal(signal.SIGHUP)
        origin.wait_head(f"/check/{number}", 2)
    before = [len(origin.seen(f"/check/{number}")) for number in (0, 1)]
    origin.wait_head("/check/2", 12)
    assert [len(origin.seen(f"/check/{number}")) for number in (0, 1)] == before
    assert "Traceback" not in lab.server.log()
