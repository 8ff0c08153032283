"""Chapter operations: who may look inside, where, and that nothing of it is mistaken for traffic."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import time
import tomllib
from collections.abc import Callable, Iterator

import pytest

from ..backends import Server
from ..scripts import stall
from ..wire import Client, Response
from .lab import Lab, get, post, rule, wait_refused
from .settings import ADMIN_LISTEN

ProxyWith = Callable[[str], Lab]

GUARDED = (b"metrics", b"status", b"config")


def admin_address(server: Server) -> tuple[str, int]:
    """Where `admin.listen` was bound, from the banner."""
    found = re.search(r"admin +http://([0-9.]+):([0-9]+)/-/", server.log())
    assert found is not None, server.log()
    return found[1], int(found[2])


@pytest.fixture
def apart(proxy_with: ProxyWith) -> Iterator[Lab]:
    """A lab whose server has an admin listener, and whose clients talk to that one."""
    lab = proxy_with(ADMIN_LISTEN)
    made = Lab(Server(admin_address(lab.server)), lab.origin)
    yield made
    for client in made.clients:
        client.close()


@rule("operations.admin-guarded")
@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize(
    ("field", "status"),
    [
        (b"X-Other: 1.2.3.4", 200),
        (b"X-Forwarded-For: 127.0.0.1, ::1", 200),
        (b"X-Forwarded-For: 203.0.113.9", 403),
        (b"X-Forwarded-For: 127.0.0.1, 203.0.113.9", 403),
        (b"x-real-ip: 203.0.113.9", 403),
        (b"X-Forwarded-For: 127.0.0.1:4711", 403),
        (b'Forwarded: proto=https; For="[2001:db8::1]:80", for=127.0.0.1', 403),
        (b'Forwarded: for="[::1]"', 200),
    ],
)
def test_a_local_web_server_does_not_open_the_endpoints_to_the_internet(
    proxy: Lab, name: bytes, field: bytes, status: int
) -> None:
    response = proxy.ask(get(b"/-/" + name, field))
    assert response.status == status
    assert proxy.ask(get(b"/-/ready", field)).status == 200
    assert not proxy.others()


@rule("operations.admin-listen")
def test_the_admin_listener_answers_and_the_main_one_does_not(apart: Lab, proxy_with: ProxyWith) -> None:
    main = proxy_with(ADMIN_LISTEN)
    for name in (b"healthy", b"ready", *GUARDED):
        assert apart.ask(get(b"/-/" + name)).status == 200
        assert main.ask(get(b"/-/" + name)).status == (404 if name in GUARDED else 200)
    assert not main.others()


@rule("operations.admin-listen")
@pytest.mark.parametrize(
    "target",
    [
        *(b"/", b"/x", b"/-", b"/-/", b"/%2d/metrics", b"//-/metrics", b"/-/../metrics", b"/x/../-/metrics"),
        *(
            b"/-/metrics/",
            b"/-//metrics",
            b"/-/%6detrics",
            b"/-/metrics%00",
            b"/-/metrics;x",
            b"/-/./metrics",
        ),
    ],
)
def test_the_admin_listener_knows_its_endpoints_and_forwards_nothing(apart: Lab, target: bytes) -> None:
    assert apart.ask(get(target)).status == 404
    assert not apart.origin.requests


@rule("operations.admin", "operations.admin-listen")
@pytest.mark.parametrize(
    "target", [b"/-/../metrics", b"/-/./metrics", b"/-//metrics", b"/-/metrics/", b"/-/%2e%2e/x", b"/-/x?y"]
)
def test_what_lies_below_the_prefix_is_never_forwarded(proxy: Lab, target: bytes) -> None:
    assert proxy.ask(get(target)).status == 404
    assert not proxy.others()


@rule("operations.admin-listen")
@pytest.mark.parametrize("target", [b"/%2d/metrics", b"//-/metrics", b"/x/../-/metrics", b"/-%2fmetrics"])
def test_a_spelling_that_a_downstream_may_take_for_the_prefix_gets_no_answer_from_here(
    proxy_with: ProxyWith, target: bytes
) -> None:
    lab = proxy_with(ADMIN_LISTEN)
    assert lab.forwarded(get(target)).target == target


@rule("operations.admin-listen")
def test_the_admin_listener_keeps_the_rules_of_http(apart: Lab) -> None:
    assert apart.ask(post(b"/-/metrics", b"x")).status == 405
    head = apart.ask(get(b"/-/metrics", method=b"HEAD"))
    assert (head.status, head.body) == (200, b"")
    client = apart.connect()
    for _ in range(3):
        assert client.send(get(b"/-/healthy")).read_response().body == b"ok\n"
    assert apart.send(b"GET /-/metrics HTTP/1.1\r\n\r\n").read_response().status == 400


def sample(metrics: Response, series: bytes) -> bytes:
    found = re.search(rb"^" + re.escape(series) + rb" ([0-9.e+-]+)$", metrics.body, re.MULTILINE)
    return found[1] if found else b"absent"


@rule("operations.admin-listen")
def test_looking_is_no_traffic(apart: Lab, proxy_with: ProxyWith) -> None:
    main = proxy_with(ADMIN_LISTEN)
    assert apart.ask(get(b"/-/ready?looking", method=b"HEAD")).status == 200
    series = b'downstream_proxy_requests_total{downstream="",method="HEAD",status="2xx"}'
    assert sample(apart.ask(get(b"/-/metrics")), series) == b"absent"
    assert "HEAD" not in main.server.log()


@rule("operations.admin-listen", "operations.drain-ready")
def test_a_drain_can_be_watched_at_the_admin_listener(start: Callable[[str], Lab]) -> None:
    lab = start(ADMIN_LISTEN)
    lab.origin.script("/x", stall)
    client = lab.send(get(b"/x"))
    lab.origin.wait_head("/x")
    lab.server.signal(signal.SIGTERM)
    wait_refused(lab.server)
    with Server(admin_address(lab.server)).connect() as watcher:
        assert watcher.send(get(b"/-/ready")).read_response().status == 503
        assert b"downstream_proxy_inflight 1" in watcher.send(get(b"/-/metrics")).read_response().body
        client.close()
        assert lab.server.wait() == 0
        assert watcher.ended()


HTML = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8"
EVENTS = b"Accept: text/event-stream"


def watch(client: Client, events: int = 1) -> bytes:
    """All that came until so many events have begun."""
    for _ in range(events):
        client.read_until(b"data: ")
    return bytes(client.received)


@rule("operations.status")
def test_status_counts_what_was_forwarded_and_names_what_failed(start: Callable[[str], Lab]) -> None:
    dead = '[downstreams.dead]\nprefix = "/dead"\nurl = "http://127.0.0.1:1"\n'
    lab = start(f'[downstreams.a]\nurl = "http://$ORIGIN"\n{dead}')
    for target in (b"/x", b"/y", b"/dead/secret?token=hunter2"):
        lab.ask(get(target))
    response = lab.ask(get(b"/-/status"))
    assert response.one(b"content-type") == b"application/json"
    shown = json.loads(response.body)
    found = {downstream["name"]: downstream for downstream in shown["downstreams"]}
    assert found["a"]["requests"] == {"2xx": 2}
    assert found["a"]["latency"]["total"]["count"] == 2
    assert 0 < found["a"]["latency"]["total"]["p50"] <= found["a"]["latency"]["total"]["p99"]
    assert found["dead"]["requests"] == {"5xx": 1}
    assert found["dead"]["errors"] == {"connection-refused": 1}
    assert found["dead"]["addresses"][0]["url"] == "http://127.0.0.1:1"
    (recent,) = shown["recent_errors"]
    assert (recent["kind"], recent["status"], recent["downstream"]) == ("connection-refused", 502, "dead")
    for accept in (b"Accept: */*", HTML, EVENTS):
        client = lab.send(get(b"/-/status", accept))
        client.read_until(b"since the start" if accept != b"Accept: */*" else b"request_id")
        assert b"hunter2" not in client.received
        assert b"secret" not in client.received


@rule("operations.status")
def test_the_status_page_needs_nothing_and_runs_nothing_but_its_own(proxy: Lab) -> None:
    response = proxy.ask(get(b"/-/status", HTML))
    text = response.body.decode()
    assert response.one(b"content-type") == b"text/html; charset=utf-8"
    assert response.one(b"cache-control") == b"no-store"
    assert response.one(b"vary") == b"Accept"
    policy = (response.one(b"content-security-policy") or b"").decode()
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall(r"""(?:src|href|action)=["'](?!data:,|metrics|config)""", text)
    assert not re.findall(r"""\s(?:style|on\w+)=""", text)
    assert proxy.ask(get(b"/-/status", HTML, method=b"HEAD")).body == b""


@rule("operations.status")
def test_events_come_until_the_process_drains(start: Callable[[str], Lab]) -> None:
    lab = start("[timeouts]\nshutdown_delay = 1\n")
    client = lab.send(get(b"/-/status", EVENTS))
    received = watch(client, 2)
    assert b"\r\nContent-Type: text/event-stream" in received
    assert b"<main>" in received
    lab.server.signal(signal.SIGTERM)
    assert b">draining<" in client.read_to_end()
    assert lab.server.wait() == 0
    assert "client-gone" not in lab.server.log()


@rule("operations.status")
def test_a_viewer_too_many_gets_one_event_and_comes_again(start: Callable[[str], Lab]) -> None:
    lab = start("")
    for _ in range(16):
        watch(lab.send(get(b"/-/status", EVENTS)))
    crowded = lab.ask(get(b"/-/status", EVENTS)).body
    assert crowded.startswith(b"retry: 5000\n\ndata: ")
    assert crowded.count(b"data: ") == 1
    lab.clients[0].close()
    deadline = time.monotonic() + 5
    while not lab.ask(get(b"/-/status")).body.count(b'"viewers": 15'):
        assert time.monotonic() < deadline, "a viewer that has left keeps its place"
    watch(lab.send(get(b"/-/status", EVENTS)), 2)
    assert b"client-gone" not in lab.ask(get(b"/-/metrics")).body, "who has seen enough is no error"


@rule("operations.admin-config")
def test_config_shows_settings_with_their_origin_and_no_secret(apart: Lab) -> None:
    response = apart.ask(get(b"/-/config"))
    text = response.body.decode()
    shown = tomllib.loads(text)
    assert shown["admin"]["listen"] == "127.0.0.1:0"
    fields = shown["downstreams"]["rest"]["request_headers"]["set"]
    assert fields == {"Authorization": "***", "X-Api-Key": "env:SUITE_SECRET"}
    assert "hunter2" not in text
    assert "secret from the environment" not in text
    assert re.search(r'^listen = "127.0.0.1:0" +# .*proxy.toml:3$', text, re.MULTILINE)
    assert re.search(r"^backlog = 2048 +# default$", text, re.MULTILINE)
    assert response.one(b"cache-control") == b"no-store"
