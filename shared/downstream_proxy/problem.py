"""Answers the proxy gives by itself: problem documents (RFC 9457) with Proxy-Status (RFC 9209). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from .errors import ErrorKind, ProxyError
from .message import HeaderPairs

PROXY_NAME = b"downstream-proxy"
_RETRY_AFTER = frozenset(
    {
        ErrorKind.OVERLOADED,
        ErrorKind.QUEUE_FULL,
        ErrorKind.QUEUE_TIMEOUT,
        ErrorKind.CIRCUIT_OPEN,
        ErrorKind.RATE_LIMIT_UNAVAILABLE,
        ErrorKind.OUT_OF_DESCRIPTORS,
    }
)


def problem_type(kind: ErrorKind) -> str:
    """The stable URI reference that names a kind (RFC 9457, section 3.1.1)."""
    return f"urn:downstream-proxy:problem:{kind.value}"


def problem(
    error: ProxyError, request_id: bytes = b"", more: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[int, HeaderPairs, bytes]:
    """Status, header pairs with Content-Length and `more`, and content for an error. Tells nothing of what is
    inside."""
    entry = error.entry
    document: dict[str, object] = {
        "type": problem_type(error.kind),
        "title": entry.title,
        "status": entry.status,
    }
    if error.detail:
        document["detail"] = error.detail
    if request_id:
        document["request_id"] = request_id.decode("ascii", "replace")
    content = json.dumps(document).encode() + b"\n"
    headers: HeaderPairs = [
        (b"Content-Type", b"application/problem+json"),
        (b"Content-Length", b"%d" % len(content)),
    ]
    if entry.proxy_status is not None:
        headers.append((b"Proxy-Status", b"%b; error=%b" % (PROXY_NAME, entry.proxy_status.encode())))
    if error.kind in _RETRY_AFTER:
        headers.append((b"Retry-After", b"1"))
    elif error.kind is ErrorKind.METHOD_NOT_ALLOWED:
        headers.append((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"))
    elif error.kind is ErrorKind.WEBSOCKET_VERSION:
        headers += [(b"Sec-WebSocket-Version", b"13"), (b"Upgrade", b"websocket")]
    if request_id:
        headers.append((b"X-Request-ID", request_id))
    headers += more
    return entry.status, headers, content


def render_refusal(error: ProxyError) -> bytes:
    """A complete HTTP/1.1 response that ends the connection, for bytes that never became a request."""
    status, headers, content = problem(error)
    try:
        reason = HTTPStatus(status).phrase.encode()
    except ValueError:
        reason = b""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return b"HTTP/1.1 %d %b\r\n%bConnection: close\r\n\r\n%b" % (status, reason, lines, content)
