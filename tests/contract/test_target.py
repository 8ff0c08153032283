"""Chapter target, beyond its examples: which downstream is asked, and with which bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .lab import Lab, get, rule
from .settings import NO_DEFAULT, ROUTES, TIGHT

ProxyWith = Callable[[str], Lab]


@rule("target.route-not-left")
@pytest.mark.parametrize(
    "target",
    [
        b"/api/..",
        b"/api/../",
        b"/api/../admin",
        b"/api/a/../../admin",
        b"/api/./../admin",
        b"/api/%2e%2e/admin",
        b"/api/%2E./admin",
        b"/api/.%2e/admin",
        b"/api/%252e%252e/admin",
        b"/api/..%2fadmin",
        b"/api/..%252fadmin",
        b"/api/..;/admin",
        b"/api/..;a=b/admin",
        b"/api/..%3b/admin",
        b"/api/..\\admin",
        b"/api/..%5cadmin",
        b"/api/a%2f..%2f..%2fadmin",
        b"/api/%2e%2e",
        b"/api/..?a=/api/",
        b"/stripped/../admin",
        b"/stripped/%2e%2e/admin",
    ],
)
def test_dot_segments_cannot_leave_the_prefix(proxy_with: ProxyWith, target: bytes) -> None:
    proxy = proxy_with(ROUTES)
    response = proxy.ask(get(target))
    assert response.status == 400
    proxy.barrier()
    assert not proxy.others()


@rule("target.route-not-left", "target.byte-exact")
@pytest.mark.parametrize(
    "target",
    [
        b"/api/a/../b",
        b"/api/a/%2e%2e/b",
        b"/api/.../..a/b..",
        b"/api/a/./b/.",
        b"/api/?a=../../..",
        b"/api?../..",
        b"/api/a%2e%2eb",
        b"/api/a;../b",
    ],
)
def test_dots_inside_the_prefix_pass_byte_exact(proxy_with: ProxyWith, target: bytes) -> None:
    assert proxy_with(ROUTES).forwarded(get(target)).target == target


@rule("target.raw-routing")
@pytest.mark.parametrize(
    ("target", "seen"),
    [
        pytest.param(b"/api/inner/a", b"/base/a", id="longest prefix"),
        pytest.param(b"/api/inner", b"/base/", id="longest prefix alone"),
        pytest.param(b"/api/innerx", b"/api/innerx", id="whole segments"),
        pytest.param(b"/api%2Finner/a", b"/api%2Finner/a", id="encoded slash is no slash"),
        pytest.param(b"/%61pi/inner/a", b"/%61pi/inner/a", id="encoded letter is no letter"),
        pytest.param(b"/API/inner/a", b"/API/inner/a", id="case counts"),
        pytest.param(b"//api/inner/a", b"//api/inner/a", id="two slashes are not one"),
        pytest.param(b"/x/../api/inner/a", b"/x/../api/inner/a", id="dots are not resolved"),
    ],
)
def test_route_is_the_longest_raw_prefix(proxy_with: ProxyWith, target: bytes, seen: bytes) -> None:
    assert proxy_with(ROUTES).forwarded(get(target)).target == seen


@rule("target.strip-prefix")
@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"/stripped", b"/"),
        (b"/stripped/", b"/"),
        (b"/stripped?a=b", b"/?a=b"),
        (b"/stripped/a%2Fb//c?d", b"/a%2Fb//c?d"),
        (b"/stripped//evil/a", b"//evil/a"),
        (b"/stripped/stripped/a", b"/stripped/a"),
        (b"/strippedx", b"/strippedx"),
    ],
)
def test_strip_prefix_removes_the_prefix_only(proxy_with: ProxyWith, target: bytes, seen: bytes) -> None:
    assert proxy_with(ROUTES).forwarded(get(target)).target == seen


@rule("target.no-route")
@pytest.mark.parametrize("target", [b"/", b"/ap", b"/apix", b"/other/api", b"/%61pi"])
def test_target_without_a_route_is_not_found(proxy_with: ProxyWith, target: bytes) -> None:
    proxy = proxy_with(NO_DEFAULT)
    assert proxy.ask(get(target)).status == 404
    assert proxy.ask(get(b"/api/a")).status == 200
    assert [request.target for request in proxy.others()] == [b"/api/a"]


@rule("target.too-long")
def test_target_limit_is_exact(proxy_with: ProxyWith) -> None:
    proxy = proxy_with(TIGHT)
    longest = b"/" + b"x" * 199
    assert proxy.forwarded(get(longest)).target == longest
    proxy.origin.reset()
    proxy.refused(get(longest + b"x"), 414)


@rule("target.options-asterisk")
def test_options_asterisk_is_answered_here(proxy: Lab) -> None:
    client = proxy.send(get(b"*", method=b"OPTIONS"))
    response = client.read_response(b"OPTIONS")
    assert response.status == 204
    assert not response.all(b"allow")
    assert client.send(get(b"/after")).read_response().status == 200
    assert [request.target for request in proxy.others()] == [b"/after"]


@rule("target.only-the-configured-downstream")
def test_host_does_not_choose_the_downstream(proxy: Lab) -> None:
    raw = get(b"/x").replace(b"Host: proxy", b"Host: 169.254.169.254:80")
    assert proxy.forwarded(raw).target == b"/x"
