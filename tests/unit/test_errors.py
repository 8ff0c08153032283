"""The table is whole, problem documents tell what it says and no more, and docs/errors.md is its print."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from downstream_proxy import errors_doc
from downstream_proxy.access_log import AccessLog, Exchange
from downstream_proxy.errors import ERRORS, ErrorKind, Party, ProxyError, Retry, Stage
from downstream_proxy.message import IncomingRequest
from downstream_proxy.problem import problem, render_refusal

# RFC 9209, section 2.3.
REGISTERED = {
    *("dns_timeout", "dns_error", "destination_not_found", "destination_unavailable"),
    *("destination_ip_prohibited", "connection_refused", "connection_terminated", "connection_timeout"),
    *("connection_write_timeout", "connection_read_timeout", "connection_limit_reached"),
    *("tls_protocol_error", "tls_certificate_error", "http_request_error", "http_request_denied"),
    *("http_response_incomplete", "http_response_header_section_size", "http_response_body_size"),
    *("http_response_transfer_coding", "http_response_content_coding", "http_response_timeout"),
    *("http_upgrade_failed", "http_protocol_error", "proxy_internal_error", "proxy_loop_detected"),
}


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_row_is_consistent(kind: ErrorKind) -> None:
    entry = ERRORS[kind]
    assert 400 <= entry.status <= 599
    assert entry.proxy_status is None or entry.proxy_status in REGISTERED
    if entry.party is Party.DOWNSTREAM:
        assert entry.status in ((503,) if entry.stage is Stage.QUEUE else (502, 504))
        assert entry.proxy_status is not None
    if entry.party is Party.CLIENT:
        assert entry.status < 500 or entry.status in (501, 505)
    assert ("timeout" in kind.value) == (entry.status in (408, 504) or kind is ErrorKind.QUEUE_TIMEOUT)
    if entry.retry is Retry.ALWAYS:
        assert entry.stage in (Stage.DNS, Stage.CONNECT)


def test_table_has_every_kind_once() -> None:
    assert set(ERRORS) == set(ErrorKind)
    titles = [entry.title for entry in ERRORS.values()]
    assert len(titles) == len(set(titles))


def test_problem_document_holds_the_row_the_detail_and_the_id() -> None:
    status, headers, content = problem(ProxyError(ErrorKind.HEAD_TIMEOUT, "A detail."), b"id-1")
    assert status == 504
    assert json.loads(content) == {
        "type": "urn:downstream-proxy:problem:head-timeout",
        "title": "The downstream's answer did not begin in time",
        "status": 504,
        "detail": "A detail.",
        "request_id": "id-1",
    }
    assert dict(headers)[b"Content-Length"] == b"%d" % len(content)
    assert dict(headers)[b"Proxy-Status"] == b"downstream-proxy; error=http_response_timeout"


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if ERRORS[kind].status == 503])
def test_overload_says_when_to_come_back(kind: ErrorKind) -> None:
    assert dict(problem(ProxyError(kind))[1])[b"Retry-After"] == b"1"


def test_required_fields_come_with_their_status() -> None:
    assert b"Allow" in dict(problem(ProxyError(ErrorKind.METHOD_NOT_ALLOWED))[1])
    assert dict(problem(ProxyError(ErrorKind.WEBSOCKET_VERSION))[1])[b"Sec-WebSocket-Version"] == b"13"


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_refusal_is_one_whole_response(kind: ErrorKind) -> None:
    head, _, body = render_refusal(ProxyError(kind)).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % ERRORS[kind].status)
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Connection: close" in lines


def test_document_is_current_and_names_every_kind() -> None:
    text = errors_doc.markdown()
    for kind in ErrorKind:
        assert text.count(f"| `{kind.value}` |") == 1
    written = Path(__file__).parents[2] / "docs" / "errors.md"
    assert written.read_text(encoding="utf-8") == text


HOSTILE = [
    b"/a\r\nERROR forged",
    b"/a\x1b[2J",
    b'/a" 200 5 forged="',
    b"/a\\",
    b"/a b",
    "/a\x85b\u2028".encode(),
    b"/\x00",
]


@pytest.mark.parametrize("target", HOSTILE)
def test_log_line_is_one_line_of_printable_ascii(target: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="downstream_proxy.access"):
        AccessLog().log(
            Exchange(
                IncomingRequest(b"GET", target + b"?token=secret", [], peer="192.0.2.1"),
                499,
                0.5,
                downstream="api",
                request_id=b"id",
                error=ProxyError(ErrorKind.CLIENT_GONE, "never shown"),
            )
        )
    line = caplog.records[0].getMessage()
    assert line.isascii()
    assert line.isprintable()
    assert line.count('"') == 2
    assert "secret" not in line
    assert line.endswith('?..." 499 0 0.5000 downstream=api request_id=id error=client-gone')
