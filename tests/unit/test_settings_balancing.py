"""The tables for several addresses take what people write, and say what is wrong with the rest."""

from __future__ import annotations

from typing import Any

import pytest
from downstream_proxy.settings import DownstreamSettings
from downstream_proxy.settings_balancing import Balance, Health, statuses
from pydantic import ValidationError


def problem(**values: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        DownstreamSettings.model_validate({"url": "http://a"} | values)
    return str(raised.value)


@pytest.mark.parametrize("written", [200, "200", [200], ["200"]])
def test_status_is_a_number_or_a_string(written: Any) -> None:
    assert statuses(Health.model_validate({"status": written}).status) == {200}


def test_statuses_may_be_ranges() -> None:
    assert statuses(Health.model_validate({"status": ["200-203", 404]}).status) == {200, 201, 202, 203, 404}
    assert statuses(Health.model_validate({"status": "301,500-501"}).status) == {301, 500, 501}
    assert statuses(Health().status) == set(range(200, 300))


@pytest.mark.parametrize("written", ["2xx", "600", "299-200", "200-", "20", True, [True], 2.5])
def test_what_is_no_status_is_refused(written: Any) -> None:
    assert "health.status" in problem(health={"status": written})


@pytest.mark.parametrize("path", ["healthz", "/a b", "/a?b=c#d", "/../x", "/x?a=\x00"])
def test_path_of_a_check_is_one_that_can_be_sent(path: str) -> None:
    assert "health.path" in problem(health={"path": path})


def test_path_of_a_check_may_have_a_query() -> None:
    assert Health(path="/healthz?deep=1").path == "/healthz?deep=1"


@pytest.mark.parametrize("attributes", ["Path=/\r\nX: y", "; Path=/", "Path=/;; Secure", "a b"])
def test_cookie_attributes_cannot_write_another_field(attributes: str) -> None:
    assert "cookie_attributes" in problem(balance={"cookie_attributes": attributes})


def test_cookie_attributes_may_be_any_or_none() -> None:
    for attributes in ("", "Secure", "Path=/app; Max-Age=3600; SameSite=None; Secure"):
        assert Balance(cookie_attributes=attributes).cookie_attributes == attributes


def test_one_affinity_at_a_time_under_a_name_that_is_one() -> None:
    assert "keep one" in problem(balance={"affinity_cookie": "a", "affinity_header": "b"})
    assert "affinity_cookie" in problem(balance={"affinity_cookie": "a=b"})
    assert "affinity_header" in problem(balance={"affinity_header": "a b"})


def test_addresses_share_their_path() -> None:
    assert "same path" in problem(url=None, urls=["http://a/x", "http://b/y"])
    assert DownstreamSettings(urls=("http://a/x", "https://b/x")).addresses == ("http://a/x", "https://b/x")
