"""A request's header section: bytes in, RequestHead out, or the error to answer with.

Decides framing, routing target, persistence and expectation in one pass over the fields, on the very bytes
that are sent on later. Pure; knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ErrorKind, ProxyError
from ..message import Body, HeaderPairs, IncomingRequest
from .syntax import (
    ABSOLUTE_FORM,
    CONTENT_LENGTH,
    HOST,
    MAX_LENGTH,
    NEVER_A_HEAD,
    REQUEST_LINE,
    TOKEN_ONLY,
    field_lines,
    split_list,
)


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds of a header section: bytes of the whole, number of fields, bytes of the request target."""

    max_bytes: int
    max_fields: int
    max_target: int


_FIRST_BYTES = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\r")


def hopeless(data: bytes, looked_at: int, limits: HeadLimits) -> ProxyError | None:
    """What is wrong with a head that has not arrived whole, when no later byte can mend it.

    data: what there is, not empty. looked_at: bytes of it that were found in order before.
    """
    if data[0] not in _FIRST_BYTES:
        return ProxyError(ErrorKind.MALFORMED_REQUEST, "This is not HTTP/1.1")
    if NEVER_A_HEAD.search(data, max(0, looked_at - 1)) is not None:
        return ProxyError(ErrorKind.MALFORMED_REQUEST, "Lines end in CRLF, and nothing else")
    if len(data) > limits.max_target + 64 and b"\r\n" not in data[: limits.max_target + 64]:
        return ProxyError(ErrorKind.TARGET_TOO_LONG)
    if len(data) > limits.max_bytes:
        return ProxyError(ErrorKind.REQUEST_HEAD_TOO_LARGE)
    return None


@dataclass(slots=True)
class RequestHead:
    """A request head that passed every check.

    raw_target: as on the request line. target: the same in origin-form (or `*`).
    content_length: bytes, None without Content-Length. upgrade: the protocol asked for, in lower case, b""
    for none.
    """

    method: bytes
    raw_target: bytes
    target: bytes
    minor: int
    headers: HeaderPairs
    host: bytes = b""
    content_length: int | None = None
    chunked: bool = False
    keep_alive: bool = True
    expects_continue: bool = False
    upgrade: bytes = b""

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)

    def as_request(
        self,
        body: Body | None,
        peer: str,
        scheme: bytes,
        send_continue: Callable[[], None],
        send_interim: Callable[[bytes], None],
    ) -> IncomingRequest:
        """What the engine is asked to forward, with the connection that it came on."""
        return IncomingRequest(
            self.method,
            self.target,
            self.headers,
            self.host,
            self.minor,
            body,
            self.content_length,
            peer,
            scheme,
            self.expects_continue,
            self.upgrade,
            send_continue,
            send_interim,
        )


def malformed(detail: str) -> ProxyError:
    return ProxyError(ErrorKind.MALFORMED_REQUEST, detail)


def parse_request_head(block: bytes, limits: HeadLimits) -> RequestHead:
    """Parse a header section, its closing empty line included (RFC 9112, sections 2 to 6).

    Raises ProxyError of the kinds malformed-request, version-not-supported, target-too-long,
    request-head-too-large, transfer-coding-not-implemented, method-not-allowed, method-not-implemented and
    expectation-failed.
    """
    line = REQUEST_LINE.match(block)
    if line is None:
        raise _bad_request_line(block, limits)
    method, raw_target, major, minor = line.groups()
    if len(raw_target) > limits.max_target:
        raise ProxyError(ErrorKind.TARGET_TOO_LONG)
    if method == b"PRI":
        raise malformed("HTTP/2 is not spoken here")
    if major != b"1" or minor not in b"01":
        raise ProxyError(ErrorKind.VERSION_NOT_SUPPORTED)
    headers = field_lines(block, line.end(), len(block) - 2)
    if headers is None:
        raise malformed("A header field line is malformed")
    if len(headers) > limits.max_fields:
        raise ProxyError(ErrorKind.REQUEST_HEAD_TOO_LARGE, "Too many header fields")
    head = RequestHead(method, raw_target, raw_target, 1 if minor == b"1" else 0, headers)
    _read_fields(head)
    _resolve_target(head)
    return head


def _bad_request_line(block: bytes, limits: HeadLimits) -> ProxyError:
    line = block.split(b"\r\n", 1)[0]
    if len(line) > limits.max_target + 64:
        return ProxyError(ErrorKind.TARGET_TOO_LONG)
    return malformed("The request line is malformed")


def _read_fields(head: RequestHead) -> None:
    """Read the fields that steer the exchange, and refuse those that could be read in two ways."""
    hosts = lengths = 0
    codings: list[bytes] = []
    connection: list[bytes] = []
    upgrade = expect = b""
    for name, value in head.headers:
        steering = _STEERING.get(name)
        if steering is None:
            if len(name) in _STEERING_LENGTHS and (lowered := name.lower()) in _STEERING:
                steering = _STEERING[lowered]
            else:
                continue
        if steering == _HOST:
            hosts += 1
            head.host = value
        elif steering == _CONNECTION:
            connection += split_list(value)
        elif steering == _LENGTH:
            lengths += 1
            head.content_length = _content_length(value)
        elif steering == _CODING:
            codings.append(value)
        elif steering == _UPGRADE:
            upgrade = value
        else:
            expect += value if not expect else b", " + value
    _check_host(head, hosts)
    if lengths > 1:
        raise malformed("Content-Length is repeated")
    if codings:
        _check_codings(head, codings, lengths)
    if head.minor == 0:
        head.keep_alive = b"keep-alive" in connection and b"close" not in connection
    elif connection:
        head.keep_alive = b"close" not in connection
    if upgrade and head.minor and b"upgrade" in connection:
        head.upgrade = upgrade.lower()
        if head.upgrade == b"websocket" and head.has_body:
            # RFC 9110, section 7.8: the protocol changes behind the content; behind which byte is what two
            # parsers would disagree on.
            raise malformed("An upgrade to WebSocket has no content")
    if expect and head.minor:
        if expect.lower() != b"100-continue":
            raise ProxyError(ErrorKind.EXPECTATION_FAILED)
        head.expects_continue = True


_HOST, _CONNECTION, _LENGTH, _CODING, _UPGRADE, _EXPECT = range(6)
_STEERING = {
    name: code
    for code, names in enumerate(
        (
            (b"Host", b"host"),
            (b"Connection", b"connection"),
            (b"Content-Length", b"content-length"),
            (b"Transfer-Encoding", b"transfer-encoding"),
            (b"Upgrade", b"upgrade"),
            (b"Expect", b"expect"),
        )
    )
    for name in names
}
_STEERING_LENGTHS = frozenset(map(len, _STEERING))


def _content_length(value: bytes) -> int:
    if CONTENT_LENGTH.fullmatch(value) is None or (length := int(value)) > MAX_LENGTH:
        raise malformed("Content-Length is not a length")
    return length


def _check_host(head: RequestHead, count: int) -> None:
    """Exactly one valid Host on HTTP/1.1, at most one on HTTP/1.0 (RFC 9112, section 3.2)."""
    if count > 1 or (count == 0 and head.minor):
        raise malformed("Exactly one Host field is required")
    if count and head.host not in _SEEN_HOSTS:
        if HOST.fullmatch(head.host) is None:
            raise malformed("Host is not a host name with an optional port")
        if len(_SEEN_HOSTS) < 256:
            _SEEN_HOSTS.add(head.host)


_SEEN_HOSTS: set[bytes] = set()
"""Valid values of Host seen before: most requests carry one of a few."""


def _check_codings(head: RequestHead, values: list[bytes], lengths: int) -> None:
    """Only `chunked`, once, alone and on HTTP/1.1 (RFC 9112, sections 6.1 and 7)."""
    if lengths:
        raise malformed("Both Content-Length and Transfer-Encoding are present")
    if head.minor == 0:
        raise malformed("HTTP/1.0 has no Transfer-Encoding")
    if len(values) == 1 and values[0].lower() == b"chunked":
        head.chunked = True
        return
    *others, last = (coding.strip(b" \t") for coding in b",".join(values).lower().split(b","))
    if last == b"chunked" and all(coding != last and TOKEN_ONLY.fullmatch(coding) for coding in others):
        raise ProxyError(ErrorKind.TRANSFER_CODING_NOT_IMPLEMENTED)
    raise malformed("Transfer-Encoding is not chunked")


def _resolve_target(head: RequestHead) -> None:
    """Bring the target to origin-form (RFC 9112, section 3.2) and settle the methods that are not relayed."""
    method, target = head.method, head.raw_target
    if method == b"CONNECT":
        raise ProxyError(ErrorKind.METHOD_NOT_IMPLEMENTED, "This is no tunnelling proxy")
    if method == b"TRACE":
        raise ProxyError(ErrorKind.METHOD_NOT_ALLOWED)
    if target[0] == 0x2F:
        return
    if target == b"*" and method == b"OPTIONS":
        return
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise malformed("The request target is neither a path nor an http URI")
    authority, rest = absolute.groups()
    if HOST.fullmatch(authority) is None:
        raise malformed("The request target's authority is malformed")
    if head.host and authority.lower() != head.host.lower():
        raise malformed("The request target and Host disagree")
    head.host = authority
    rest = rest or b"/"
    head.target = rest if rest[0] == 0x2F else b"/" + rest
