"""The names of what can go wrong: kinds, and the stages, parties and retries that errors.ERRORS gives them.

Knows no status code and no text; each name is told to users, so it stays what it is.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The part of an exchange in which the error happened."""

    REQUEST_HEAD = "request-head"
    REQUEST_BODY = "request-body"
    QUEUE = "queue"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESPONSE_HEAD = "response-head"
    RESPONSE_BODY = "response-body"


class Party(StrEnum):
    """Who has to change something for the error to go away."""

    CLIENT = "client"
    PROXY = "proxy"
    DOWNSTREAM = "downstream"


class ErrorKind(StrEnum):
    """The stable name of an error: metric label, log field and the tail of the problem type."""

    # The client's request head.
    MALFORMED_REQUEST = "malformed-request"
    REQUEST_HEAD_TOO_LARGE = "request-head-too-large"
    TARGET_TOO_LONG = "target-too-long"
    REQUEST_HEAD_TIMEOUT = "request-head-timeout"
    VERSION_NOT_SUPPORTED = "version-not-supported"
    TRANSFER_CODING_NOT_IMPLEMENTED = "transfer-coding-not-implemented"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    METHOD_NOT_IMPLEMENTED = "method-not-implemented"
    EXPECTATION_FAILED = "expectation-failed"
    TARGET_ESCAPES_PREFIX = "target-escapes-prefix"
    NO_ROUTE = "no-route"
    FORBIDDEN = "forbidden"
    LOOP_DETECTED = "loop-detected"
    BAD_WEBSOCKET_HANDSHAKE = "bad-websocket-handshake"
    WEBSOCKET_VERSION = "websocket-version"
    WEBSOCKET_ORIGIN = "websocket-origin"
    RATE_LIMITED = "rate-limited"
    RATE_LIMIT_UNAVAILABLE = "rate-limit-unavailable"
    # The client's request body.
    MALFORMED_REQUEST_BODY = "malformed-request-body"
    REQUEST_BODY_TOO_LARGE = "request-body-too-large"
    REQUEST_BODY_TIMEOUT = "request-body-timeout"
    REQUEST_TRAILERS_TOO_LARGE = "request-trailers-too-large"
    CLIENT_GONE = "client-gone"
    RESPONSE_NOT_TAKEN = "response-not-taken"
    # Waiting for a place.
    OVERLOADED = "overloaded"
    QUEUE_FULL = "queue-full"
    QUEUE_TIMEOUT = "queue-timeout"
    CIRCUIT_OPEN = "circuit-open"
    # Reaching the downstream.
    DNS_ERROR = "dns-error"
    DNS_TIMEOUT = "dns-timeout"
    CONNECTION_REFUSED = "connection-refused"
    UNREACHABLE = "unreachable"
    ADDRESS_PROHIBITED = "address-prohibited"
    CONNECT_TIMEOUT = "connect-timeout"
    OUT_OF_DESCRIPTORS = "out-of-descriptors"
    TLS_CERTIFICATE = "tls-certificate"
    TLS_PROTOCOL = "tls-protocol"
    # The request on its way out and the answer's head.
    STALE_CONNECTION = "stale-connection"
    REQUEST_NOT_TAKEN = "request-not-taken"
    WRITE_TIMEOUT = "write-timeout"
    CLOSED_BEFORE_HEAD = "closed-before-head"
    HEAD_TIMEOUT = "head-timeout"
    MALFORMED_RESPONSE = "malformed-response"
    RESPONSE_HEAD_TOO_LARGE = "response-head-too-large"
    UPGRADE_FAILED = "upgrade-failed"
    TOTAL_TIMEOUT = "total-timeout"
    # The answer's body.
    RESPONSE_INCOMPLETE = "response-incomplete"
    MALFORMED_RESPONSE_BODY = "malformed-response-body"
    READ_IDLE_TIMEOUT = "read-idle-timeout"
    RESPONSE_TOO_LARGE_TO_BUFFER = "response-too-large-to-buffer"
    TRANSFORM_FAILED = "transform-failed"
    # Ourselves.
    INTERNAL = "internal"


class Retry(StrEnum):
    """What a retry may assume: nothing was sent, nothing was answered on a reused connection, or neither.

    ELSEWHERE: nothing was sent, but the same address would most likely fail again, after as long a wait: only
    another one is asked.
    """

    NEVER = "never"
    IDEMPOTENT = "idempotent"
    ELSEWHERE = "elsewhere"
    ALWAYS = "always"
