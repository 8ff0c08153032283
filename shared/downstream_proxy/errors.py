"""Everything that can go wrong, as data: one table from an error's kind to all that follows from it.

A kind says what happened, at which stage of the exchange, and who caused it. Status code, RFC 9209 error
type, problem title and whether a retry is safe are looked up here and nowhere else. This module knows no web
framework, no client library and no socket: the code that meets an exception of theirs decides the kind, never
by reading a message's text.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .error_kinds import ErrorKind, Party, Retry, Stage

__all__ = ["ERRORS", "LEFT", "ErrorEntry", "ErrorKind", "Party", "ProxyError", "Retry", "Stage", "meaning"]


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One row of the table.

    status: the status code sent when the response head is still ours to send.
    proxy_status: RFC 9209, section 2.3 error type; None when the downstream was never at issue.
    title: RFC 9457 `title`; says what happened without internals.
    """

    status: int
    stage: Stage
    party: Party
    proxy_status: str | None
    title: str
    retry: Retry = Retry.NEVER


_K, _S = ErrorKind, Stage
_CLIENT, _PROXY, _DOWN = Party.CLIENT, Party.PROXY, Party.DOWNSTREAM

ERRORS: dict[ErrorKind, ErrorEntry] = {
    _K.MALFORMED_REQUEST: ErrorEntry(400, _S.REQUEST_HEAD, _CLIENT, None, "The request is malformed"),
    _K.REQUEST_HEAD_TOO_LARGE: ErrorEntry(
        431, _S.REQUEST_HEAD, _CLIENT, None, "The request's header section is too large"
    ),
    _K.TARGET_TOO_LONG: ErrorEntry(414, _S.REQUEST_HEAD, _CLIENT, None, "The request target is too long"),
    _K.REQUEST_HEAD_TIMEOUT: ErrorEntry(
        408, _S.REQUEST_HEAD, _CLIENT, None, "The request's header section took too long"
    ),
    _K.VERSION_NOT_SUPPORTED: ErrorEntry(
        505, _S.REQUEST_HEAD, _CLIENT, None, "Only HTTP/1.1 and HTTP/1.0 are supported"
    ),
    _K.TRANSFER_CODING_NOT_IMPLEMENTED: ErrorEntry(
        501, _S.REQUEST_HEAD, _CLIENT, None, "The transfer coding is not implemented"
    ),
    _K.METHOD_NOT_ALLOWED: ErrorEntry(405, _S.REQUEST_HEAD, _CLIENT, None, "The method is not allowed"),
    _K.METHOD_NOT_IMPLEMENTED: ErrorEntry(
        501, _S.REQUEST_HEAD, _CLIENT, None, "The method is not implemented"
    ),
    _K.EXPECTATION_FAILED: ErrorEntry(417, _S.REQUEST_HEAD, _CLIENT, None, "The expectation cannot be met"),
    _K.TARGET_ESCAPES_PREFIX: ErrorEntry(
        400, _S.REQUEST_HEAD, _CLIENT, "http_request_denied", "The request target leaves its route"
    ),
    _K.NO_ROUTE: ErrorEntry(404, _S.REQUEST_HEAD, _CLIENT, "destination_not_found", "No route matches"),
    _K.FORBIDDEN: ErrorEntry(403, _S.REQUEST_HEAD, _CLIENT, None, "This address may not ask for that"),
    _K.LOOP_DETECTED: ErrorEntry(
        508, _S.REQUEST_HEAD, _PROXY, "proxy_loop_detected", "The request came back to this proxy"
    ),
    _K.BAD_WEBSOCKET_HANDSHAKE: ErrorEntry(
        400, _S.REQUEST_HEAD, _CLIENT, None, "The WebSocket handshake is malformed"
    ),
    _K.WEBSOCKET_VERSION: ErrorEntry(
        426, _S.REQUEST_HEAD, _CLIENT, None, "Only WebSocket version 13 is supported"
    ),
    _K.WEBSOCKET_ORIGIN: ErrorEntry(
        403, _S.REQUEST_HEAD, _CLIENT, None, "The WebSocket's Origin is not allowed"
    ),
    _K.RATE_LIMITED: ErrorEntry(
        429, _S.REQUEST_HEAD, _CLIENT, "http_request_denied", "Too many requests in a given time"
    ),
    _K.RATE_LIMIT_UNAVAILABLE: ErrorEntry(
        503, _S.REQUEST_HEAD, _PROXY, "proxy_internal_error", "Requests cannot be counted at present"
    ),
    _K.MALFORMED_REQUEST_BODY: ErrorEntry(
        400, _S.REQUEST_BODY, _CLIENT, "http_request_error", "The request body is malformed"
    ),
    _K.REQUEST_BODY_TOO_LARGE: ErrorEntry(
        413, _S.REQUEST_BODY, _CLIENT, "http_request_error", "The request body is too large"
    ),
    _K.REQUEST_BODY_TIMEOUT: ErrorEntry(
        408, _S.REQUEST_BODY, _CLIENT, "http_request_error", "The request body came too slowly"
    ),
    _K.REQUEST_TRAILERS_TOO_LARGE: ErrorEntry(
        431,
        _S.REQUEST_BODY,
        _CLIENT,
        "http_request_error",
        "The request's trailers or extensions are too large",
    ),
    _K.CLIENT_GONE: ErrorEntry(499, _S.REQUEST_BODY, _CLIENT, None, "The client left"),
    _K.RESPONSE_NOT_TAKEN: ErrorEntry(
        499, _S.RESPONSE_BODY, _CLIENT, None, "The client stopped reading the response"
    ),
    _K.OVERLOADED: ErrorEntry(
        503, _S.QUEUE, _PROXY, "connection_limit_reached", "The proxy has too many requests in flight"
    ),
    _K.QUEUE_FULL: ErrorEntry(
        503, _S.QUEUE, _PROXY, "connection_limit_reached", "Too many requests wait for this downstream"
    ),
    _K.QUEUE_TIMEOUT: ErrorEntry(
        503, _S.QUEUE, _PROXY, "connection_limit_reached", "No connection to the downstream came free in time"
    ),
    _K.CIRCUIT_OPEN: ErrorEntry(
        503, _S.QUEUE, _DOWN, "destination_unavailable", "The downstream fails and is left alone for a moment"
    ),
    _K.DNS_ERROR: ErrorEntry(
        502, _S.DNS, _DOWN, "dns_error", "The downstream's name cannot be resolved", Retry.ALWAYS
    ),
    _K.DNS_TIMEOUT: ErrorEntry(
        504, _S.DNS, _DOWN, "dns_timeout", "Resolving the downstream's name took too long", Retry.ELSEWHERE
    ),
    _K.CONNECTION_REFUSED: ErrorEntry(
        502, _S.CONNECT, _DOWN, "connection_refused", "The downstream refused the connection", Retry.ALWAYS
    ),
    _K.UNREACHABLE: ErrorEntry(
        502, _S.CONNECT, _DOWN, "destination_unavailable", "The downstream cannot be reached", Retry.ALWAYS
    ),
    _K.ADDRESS_PROHIBITED: ErrorEntry(
        502,
        _S.CONNECT,
        _PROXY,
        "destination_ip_prohibited",
        "The downstream's name leads to an address that is not allowed",
    ),
    _K.CONNECT_TIMEOUT: ErrorEntry(
        504,
        _S.CONNECT,
        _DOWN,
        "connection_timeout",
        "Connecting to the downstream took too long",
        Retry.ELSEWHERE,
    ),
    _K.OUT_OF_DESCRIPTORS: ErrorEntry(
        503, _S.CONNECT, _PROXY, "connection_limit_reached", "The proxy has no file descriptor left"
    ),
    _K.TLS_CERTIFICATE: ErrorEntry(
        502,
        _S.TLS,
        _DOWN,
        "tls_certificate_error",
        "The downstream's certificate is not trusted",
        Retry.ELSEWHERE,
    ),
    _K.TLS_PROTOCOL: ErrorEntry(
        502,
        _S.TLS,
        _DOWN,
        "tls_protocol_error",
        "The TLS handshake with the downstream failed",
        Retry.ELSEWHERE,
    ),
    _K.STALE_CONNECTION: ErrorEntry(
        502,
        _S.RESPONSE_HEAD,
        _DOWN,
        "connection_terminated",
        "The downstream closed an idle connection as it was used again",
        Retry.IDEMPOTENT,
    ),
    _K.REQUEST_NOT_TAKEN: ErrorEntry(
        502,
        _S.REQUEST_BODY,
        _DOWN,
        "connection_terminated",
        "The downstream closed the connection while the request was sent",
    ),
    _K.WRITE_TIMEOUT: ErrorEntry(
        504, _S.REQUEST_BODY, _DOWN, "connection_write_timeout", "The downstream stopped reading the request"
    ),
    _K.CLOSED_BEFORE_HEAD: ErrorEntry(
        502,
        _S.RESPONSE_HEAD,
        _DOWN,
        "connection_terminated",
        "The downstream closed the connection before it answered",
        Retry.IDEMPOTENT,
    ),
    _K.HEAD_TIMEOUT: ErrorEntry(
        504, _S.RESPONSE_HEAD, _DOWN, "http_response_timeout", "The downstream's answer did not begin in time"
    ),
    _K.MALFORMED_RESPONSE: ErrorEntry(
        502, _S.RESPONSE_HEAD, _DOWN, "http_protocol_error", "The downstream's answer is malformed"
    ),
    _K.RESPONSE_HEAD_TOO_LARGE: ErrorEntry(
        502,
        _S.RESPONSE_HEAD,
        _DOWN,
        "http_response_header_section_size",
        "The downstream's header section is too large",
    ),
    _K.UPGRADE_FAILED: ErrorEntry(
        502, _S.RESPONSE_HEAD, _DOWN, "http_upgrade_failed", "The downstream's answer to the upgrade is wrong"
    ),
    _K.TOTAL_TIMEOUT: ErrorEntry(
        504,
        _S.RESPONSE_HEAD,
        _DOWN,
        "http_response_timeout",
        "The exchange with the downstream took too long",
    ),
    _K.RESPONSE_INCOMPLETE: ErrorEntry(
        502, _S.RESPONSE_BODY, _DOWN, "http_response_incomplete", "The downstream's answer was cut off"
    ),
    _K.MALFORMED_RESPONSE_BODY: ErrorEntry(
        502,
        _S.RESPONSE_BODY,
        _DOWN,
        "http_response_transfer_coding",
        "The downstream's answer is wrongly chunked",
    ),
    _K.READ_IDLE_TIMEOUT: ErrorEntry(
        504,
        _S.RESPONSE_BODY,
        _DOWN,
        "connection_read_timeout",
        "The downstream fell silent within its answer",
    ),
    _K.RESPONSE_TOO_LARGE_TO_BUFFER: ErrorEntry(
        502,
        _S.RESPONSE_BODY,
        _DOWN,
        "http_response_body_size",
        "The downstream's answer is too large to be buffered",
    ),
    _K.TRANSFORM_FAILED: ErrorEntry(
        502,
        _S.RESPONSE_BODY,
        _PROXY,
        "http_response_content_coding",
        "The downstream's answer could not be transformed",
    ),
    _K.INTERNAL: ErrorEntry(500, _S.REQUEST_HEAD, _PROXY, "proxy_internal_error", "The proxy made a mistake"),
}


class ProxyError(Exception):
    """An exchange that failed, in terms of the table.

    detail: one sentence for the problem document; safe to show to a client (no address, version or exception
    text). stage: where it happened when that differs from the table's usual stage.
    """

    __slots__ = ("detail", "kind", "stage")

    def __init__(self, kind: ErrorKind, detail: str | None = None, *, stage: Stage | None = None) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.stage = stage or ERRORS[kind].stage

    @property
    def entry(self) -> ErrorEntry:
        return ERRORS[self.kind]

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail or self.entry.title}"


LEFT = frozenset({ErrorKind.CLIENT_GONE, ErrorKind.RESPONSE_NOT_TAKEN})
"""The client does not see the end, whatever status it was sent."""


def meaning(error: BaseException) -> ProxyError:
    """What an exception that ends a request means: the client's leaving reaches us as one of two.

    A cancellation may carry what there is to say beyond that.
    """
    if isinstance(error, asyncio.CancelledError) and error.args and isinstance(error.args[0], ProxyError):
        error = error.args[0]
    if isinstance(error, ProxyError):
        return error
    if isinstance(error, asyncio.CancelledError | ConnectionError):
        return ProxyError(ErrorKind.CLIENT_GONE)
    return ProxyError(ErrorKind.INTERNAL)
