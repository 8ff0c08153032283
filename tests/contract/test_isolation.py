"""Chapter isolation: nothing crosses between clients, and nothing of the inside gets out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest

from ..origin import Connection
from ..recorded import Request
from ..scripts import ok, reply, stall
from ..wire import Client
from .lab import Lab, chunks, get, post, rule
from .settings import FAULTS, ROUTES, TRUSTED, TRUSTING

ProxyWith = Callable[[str], Lab]


@rule("isolation.no-shared-cookies")
def test_cookie_of_one_client_is_not_sent_for_another(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(ROUTES)  # reaches the origin as `localhost`: cookie jars ignore bare addresses
    cookies = [b"Set-Cookie: session=secret; Path=/", b"Set-Cookie: b=c; Domain=localhost"]
    proxy.origin.script("/localhost/login", reply(ok(b"", *cookies)))
    first = proxy.send(get(b"/localhost/login"))
    assert len(first.read_response().all(b"set-cookie")) == 2
    for client in (proxy.connect(), first):
        assert client.send(get(b"/localhost/x")).read_response().status == 200
    assert all(not request.all(b"cookie") for request in proxy.origin.seen("/localhost/x"))
    proxy.ask(get(b"/localhost/y", b"Cookie: a=b", b"Cookie: c=d"))
    assert proxy.origin.seen("/localhost/y")[0].all(b"cookie") == [b"a=b", b"c=d"]


@rule("isolation.no-crossed-answers")
def test_answers_belong_to_their_clients_with_cancels_in_between(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(ROUTES)
    dice = random.Random(7)

    async def handler(conn: Connection, request: Request) -> None:
        token = request.all(b"x-token")[0]
        await request.read()
        await conn.quiet(dice.choice([0, 0, 0.001, 0.003]))
        body = token * dice.choice([1, 10, 3000])
        if dice.random() < 0.5:
            await conn.send(ok(body, b"X-Token: " + token))
        else:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Token: " + token
            await conn.send(head + b"\r\n\r\n" + chunks(body[:9], body[9:] or b"!"))
            await conn.send(b"0\r\n\r\n")

    proxy.origin.script("/localhost/t", handler)
    for wave in range(40):
        waiting: list[tuple[bytes, Client]] = []
        for n in range(20):
            token = b"<%d.%d>" % (wave, n)
            field = b"X-Token: " + token
            raw = get(b"/localhost/t", field) if n % 3 else post(b"/localhost/t", token, field)
            client = proxy.send(raw[: dice.choice([len(raw), len(raw), len(raw) - 1])])
            waiting.append((token, client))
        for token, client in waiting:
            fate = dice.random()
            if fate < 0.3 or not client.sent.endswith((b"\n", b">")):
                client.reset() if fate < 0.15 else client.close()
                continue
            response = client.read_response()
            assert response.status == 200
            assert response.all(b"x-token") == [token]
            assert not response.body.replace(token, b"").replace(b"!", b"")
            client.close()
        proxy.clients.clear()


@rule("isolation.redirects-relayed")
@pytest.mark.parametrize("status", [b"301 A", b"302 B", b"303 C", b"307 D", b"308 E"])
def test_redirect_is_relayed_untouched(proxy: Lab, status: bytes) -> None:
    location = b"http://" + proxy.origin.authority + b"/other?a=b#c"
    answer = ok(b"", b"Location: " + location, b"Set-Cookie: a=b; Domain=inner.example; Path=/inner")
    proxy.origin.script("/x", reply(answer.replace(b"200 OK", status)))
    response = proxy.ask(get(b"/x"))
    assert response.status == int(status[:3])
    assert response.one(b"location") == location
    assert response.one(b"set-cookie") == b"a=b; Domain=inner.example; Path=/inner"
    assert [request.target for request in proxy.others()] == [b"/x"]


SECRETS = (
    b"Authorization: Bearer s3cret-a",
    b"Cookie: session=s3cret-c",
    b"Proxy-Authorization: Basic s3cret-p",
)


@rule("isolation.no-secrets-in-logs")
def test_secrets_are_in_no_log_metric_or_problem(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(FAULTS)
    proxy.origin.script("/quick/stall", stall)
    proxy.origin.script("/cut", reply(ok(b"hello")[:-1], close=True))
    answers = [
        proxy.ask(get(target + b"?key=s3cret-q", *SECRETS))
        for target in (b"/x", b"/refused", b"/quick/stall", b"/private/x")
    ]
    client = proxy.send(get(b"/cut?key=s3cret-q", *SECRETS))
    client.read_to_end()
    proxy.send(get(b"/bad?key=s3cret-q", b"X-A: \x00", *SECRETS)).read_to_end()
    proxy.barrier()
    for answer in answers[1:]:
        assert b"s3cret" not in answer.head + answer.body
    assert "s3cret" not in proxy.server.log()
    assert b"s3cret" not in proxy.ask(get(b"/-/metrics")).body


@rule("isolation.no-forged-log-lines")
def test_log_lines_cannot_be_forged(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TRUSTED)
    before = len(proxy.server.log())
    proxy.ask(get(b"/forge%0d%0aERROR%1b[31m%00", b"User-Agent: a\xc2\x85b\xe2\x80\xa8c\x9b31m"))
    proxy.ask(get(b'/forge"%20200%205', b'X-Request-ID: a" 200 forged'))
    proxy.ask(get(b"/forge\\x0aERROR", b"X-Forwarded-For: 6.6.6.6\xc2\x85forged"))
    proxy.send(get(b"/forge\x1b[2J")).read_to_end()
    proxy.send(b"FORGED\x1b[2J\nERROR forged\r\n\r\n").read_to_end()
    proxy.barrier()
    log = proxy.server.log()[before:]
    assert re.fullmatch(r"[\x20-\x7e\n]*", log), log
    assert not re.search(r"^\W*(ERROR|FORGED|forged)", log, re.MULTILINE)
    assert sum("/forge" in line for line in log.splitlines()) <= 4
    assert " forged" not in log


INSIDE = re.compile(
    rb"127\.0\.0\.1|localhost|no-such-host|Traceback|Exception|Errno|(?-i:\w+Error)|aiohttp|uvicorn"
    rb"|starlette|fastapi|python|\.py\b|/\d+\.\d+",
)


@rule("isolation.problems-tell-nothing", "isolation.problem-documents")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(get(b"/refused"), id="refused"),
        pytest.param(get(b"/dns"), id="dns"),
        pytest.param(get(b"/private/x"), id="private"),
        pytest.param(get(b"/quick/stall"), id="timeout"),
        pytest.param(get(b"/nonsense"), id="malformed answer"),
        pytest.param(get(b"/x", b"bad line"), id="malformed request"),
        pytest.param(get(b"/" + b"x" * 9000), id="target too long"),
        pytest.param(get(b"/x", b"X-A: " + b"x" * 70_000), id="head too large"),
        pytest.param(get(b"/x", method=b"TRACE"), id="method"),
        pytest.param(get(b"/x", b"Expect: x", method=b"POST"), id="expectation"),
        pytest.param(get(b"/-/nothing"), id="no endpoint"),
    ],
)
def test_own_answers_are_problem_documents_that_tell_nothing(proxy_with: ProxyWith, raw: bytes) -> None:
    proxy = proxy_with(FAULTS)
    proxy.origin.script("/quick/stall", stall)
    proxy.origin.script("/nonsense", reply(b"nonsense from 127.0.0.1\r\n\r\n"))
    response = proxy.ask(raw, timeout=20.0)
    assert response.status >= 400
    assert response.one(b"content-type") == b"application/problem+json"
    assert json.loads(response.body)["status"] == response.status
    assert not response.all(b"server")
    told = response.head.partition(b"\r\n")[2] + response.body
    assert not INSIDE.search(told), told


@rule("isolation.environment-ignored")
def test_proxy_variables_and_netrc_are_ignored(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(ROUTES)  # every server of the suite is started with both, see backends.py
    for target in (b"/x", b"/localhost/x"):
        proxy.ask(get(target))
        request = proxy.origin.seen(target)[0]
        assert not request.all(b"authorization")
        assert not request.all(b"proxy-authorization")


@rule("isolation.environment-ignored")
def test_proxy_variables_are_honoured_when_asked_for(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TRUSTING)  # nobody listens where the variables lead
    response = proxy.ask(get(b"/trusting/x"))
    assert (response.status, response.one(b"proxy-status")) == (
        502,
        b"downstream-proxy; error=connection_refused",
    )
    proxy.barrier()
    assert not proxy.others()


@rule("isolation.private-addresses")
def test_private_address_behind_a_name_is_refused_when_asked_to(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(FAULTS)
    assert proxy.ask(get(b"/private/x")).status == 502
    proxy.barrier()
    assert not proxy.others()
