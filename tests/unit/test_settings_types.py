"""The parsers of single values: sizes, seconds, networks, URLs and addresses."""

from __future__ import annotations

from typing import Any

import pytest
from downstream_proxy import settings_types as types
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError


def read(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (65536, 65536),
        ("65536", 65536),
        ("64KiB", 65536),
        ("64 kib", 65536),
        ("1.5MiB", 1572864),
        ("2GB", 2 * 10**9),
        ("3 kB", 3000),
        ("7B", 7),
        (" 1 MB ", 10**6),
        ("0", 0),
    ],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert read(types.Size, text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "1e3", "1 XB", "1.5", "0.3KiB", "64MiB ok", "٣", True, 1.5, -1]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    refused(types.Size, text)


@settings(deadline=None)
@given(st.integers(0, 2**40), st.sampled_from([("KiB", 1024), ("MB", 10**6), ("GiB", 1024**3)]))
def test_whole_sizes_are_exact_at_any_magnitude(number: int, unit: tuple[str, int]) -> None:
    assert read(types.Size, f"{number}{unit[0]}") == number * unit[1]


def test_none_lifts_a_limit_where_there_may_be_none() -> None:
    assert read(types.OptionalSize, "none") is None
    assert read(types.OptionalSeconds, "None") is None
    refused(types.Size, "none")
    refused(types.Seconds, "none")


@pytest.mark.parametrize("value", [5, 0.25, "5", "0.25", " 5 "])
def test_seconds_are_read(value: object) -> None:
    assert read(types.Seconds, value) == float(str(value))


@pytest.mark.parametrize("value", [0, -1, "nan", "inf", "1e999", float("inf"), float("nan"), "5s", "", True])
def test_what_is_no_duration_is_refused(value: object) -> None:
    refused(types.Seconds, value)


def test_zero_is_a_duration_only_where_it_means_something() -> None:
    assert read(types.SecondsOrZero, 0) == 0
    refused(types.OptionalSeconds, 0)


def test_networks_are_read_and_written_in_one_form() -> None:
    assert read(types.NetworkList, "10.0.0.0/8, ::1,192.0.2.1") == ("10.0.0.0/8", "::1/128", "192.0.2.1/32")
    assert read(types.NetworkList, '["10.0.0.0/8"]') == ("10.0.0.0/8",)
    assert read(types.NetworkList, ["2001:DB8::/32"]) == ("2001:db8::/32",)


def test_a_network_with_host_bits_names_the_network_meant() -> None:
    assert "write 10.0.0.0/8 for the network" in refused(types.NetworkList, ["10.1.2.3/8"])


def test_a_star_means_all_only_where_it_is_allowed() -> None:
    assert read(types.NetworksOrAll, "*") == ("*",)
    assert "is not an IP address" in refused(types.NetworkList, "*")
    assert "is not an IP address" in refused(types.NetworksOrAll, "localhost")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:9000", "http://localhost:9000"),
        ("HTTP://Example.COM", "http://example.com"),
        ("https://example.com/", "https://example.com"),
        ("https://example.com:8443/base/", "https://example.com:8443/base"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://a_b.internal.", "http://a_b.internal."),
        ("http://h/%7Euser", "http://h/%7Euser"),
    ],
)
def test_a_url_is_read(text: str, url: str) -> None:
    assert read(types.Url, text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:9000",
        "//localhost",
        "http:/localhost",
        "http://",
        "http://:80",
        "ftp://h",
        "unix:/run/x",
        "http://h:0",
        "http://h:",
        "http://h:65536",
        "http://h:x",
        "http://h?x=1",
        "http://h/?",
        "http://h#f",
        "http://h/a/../b",
        "http://h//b",
        "http://h a",
        "http://h\r\nx",
        "http://h\\@evil",
        "http://[::1",
        "http://[zz]",
        "http://-h",
        "http://exämple",
    ],
)
def test_what_is_no_downstream_url_is_refused(text: str) -> None:
    refused(types.Url, text)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="credentials do not belong in the URL") as caught:
        types.parse_url("http://user:hunter2@h")
    assert "hunter2" not in str(caught.value)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    try:
        url = types.parse_url(text)
    except ValueError:
        return
    assert types.parse_url(url) == url


@pytest.mark.parametrize("text", ["127.0.0.1:9100", "[::1]:9100", ":9100", "localhost:0"])
def test_an_address_is_read(text: str) -> None:
    assert read(types.Address, text) == text


@pytest.mark.parametrize("text", ["9100", "::1:9100", "h:", "h:65536", "h:x", "h:٣", "h h:1", "[h]x:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    refused(types.Address, text)
