"""The access log in each of its formats: who, what, how long, how it went, and nothing secret."""

from __future__ import annotations

import json
import logging
import re

import pytest
from downstream_proxy.access_log import AccessLog, Exchange, Format
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.identity import TrustedPeers, client_address
from downstream_proxy.message import HeaderPairs, IncomingRequest
from downstream_proxy.timing import Waits

FIELDS: HeaderPairs = [
    (b"Authorization", b"Bearer s3cret"),
    (b"Cookie", b"session=s3cret"),
    (b"User-Agent", b'agent/1.0 (x) "\x1b[2J'),
    (b"Referer", b"http://user:s3cret@site.test/from?token=s3cret"),
]
# Apache's documentation: mod_log_config, "combined".
COMBINED = re.compile(
    r'(\S+) \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "(\S+) (\S+) (HTTP/1\.[01])" (\d{3}) '
    r'(\d+|-) "([^"]*)" "([^"]*)"'
)


def written(style: Format, caplog: pytest.LogCaptureFixture, exchange: Exchange, sample: float = 1.0) -> str:
    with caplog.at_level(logging.INFO, logger="downstream_proxy.access"):
        AccessLog(True, style, sample).log(exchange)
    return caplog.records[-1].getMessage() if caplog.records else ""


def exchange(status: int = 200, error: ErrorKind | None = None) -> Exchange:
    waits = Waits()
    waits.queue = 0.25
    return Exchange(
        IncomingRequest(b"GET", b"/a?token=s3cret", FIELDS, peer="192.0.2.1"),
        status,
        0.5,
        1234,
        0.125,
        waits,
        "api",
        "http://10.0.0.1:80",
        b"id-1",
        ProxyError(error) if error else None,
    )


def test_combined_is_what_apache_writes(caplog: pytest.LogCaptureFixture) -> None:
    match = COMBINED.fullmatch(written("combined", caplog, exchange()))
    assert match is not None
    assert match[1] == "192.0.2.1"
    assert match.group(2, 3, 4, 5, 6) == ("GET", "/a?...", "HTTP/1.1", "200", "1234")
    assert match.group(7, 8) == ("http://site.test/from", "agent/1.0 (x) \\x22\\x1b[2J")


def test_json_has_the_timing_split_the_address_and_the_error(caplog: pytest.LogCaptureFixture) -> None:
    line = written("json", caplog, exchange(504, ErrorKind.HEAD_TIMEOUT))
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "client": "192.0.2.1",
        "peer": "192.0.2.1",
        "method": "GET",
        "path": "/a",
        "status": 504,
        "request_id": "id-1",
        "downstream": "api",
        "address": "http://10.0.0.1:80",
        "seconds": 0.5,
        "bytes_out": 1234,
        "queue": 0.25,
        "first_byte": 0.125,
        "error": "head-timeout",
        "stage": "response-head",
    }


@pytest.mark.parametrize("style", ["line", "combined", "json"])
def test_no_format_tells_a_secret_or_breaks_its_line(style: Format, caplog: pytest.LogCaptureFixture) -> None:
    line = written(style, caplog, exchange())
    assert "s3cret" not in line
    assert line.isascii()
    assert line.isprintable()


def test_sampling_leaves_out_what_went_well_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    assert written("json", caplog, exchange(), sample=0.0) == ""
    assert '"status":499' in written("json", caplog, exchange(499, ErrorKind.CLIENT_GONE), sample=0.0)
    assert '"status":503' in written("json", caplog, exchange(503), sample=0.0)


@pytest.mark.parametrize(
    ("named", "client"),
    [
        ([], "10.0.0.1"),
        ([(b"X-Forwarded-For", b"198.51.100.7")], "198.51.100.7"),
        # What stands left of the first address that is not ours is that address's own claim.
        ([(b"X-Forwarded-For", b"203.0.113.9, 198.51.100.7, 10.0.0.2")], "198.51.100.7"),
        ([(b"X-Forwarded-For", b"203.0.113.9"), (b"X-Forwarded-For", b"198.51.100.7")], "198.51.100.7"),
        ([(b"X-Forwarded-For", b"[2001:db8::1]:4711")], "2001:db8::1"),
        ([(b"X-Forwarded-For", b"198.51.100.7:80")], "198.51.100.7"),
        ([(b"X-Forwarded-For", b"::ffff:198.51.100.7")], "198.51.100.7"),
        ([(b"X-Forwarded-For", b"198.51.100.7, unknown")], "10.0.0.1"),
        ([(b"X-Forwarded-For", b"10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ([(b"Forwarded", b"for=198.51.100.7")], "10.0.0.1"),
    ],
)
def test_client_is_the_last_one_named_by_somebody_trusted(named: HeaderPairs, client: str) -> None:
    request = IncomingRequest(b"GET", b"/", named, peer="10.0.0.1")
    assert client_address(request, TrustedPeers(["10.0.0.0/8"])) == client
    assert client_address(request, TrustedPeers([])) == "10.0.0.1"


def test_forwarded_names_the_client_where_it_is_the_field_in_use() -> None:
    request = IncomingRequest(
        b"GET",
        b"/",
        [(b"X-Forwarded-For", b"203.0.113.9"), (b"Forwarded", b'for="[2001:db8::1]:80";proto=http')],
        peer="10.0.0.1",
    )
    assert client_address(request, TrustedPeers(["10.0.0.1"]), rfc=True) == "2001:db8::1"
