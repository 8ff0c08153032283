"""A response's header section: bytes in, ResponseHead out. Pure; knows no connection."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ErrorKind, ProxyError
from ..message import HeaderPairs
from .response_writer import BODYLESS_STATUS
from .syntax import CONTENT_LENGTH, MAX_LENGTH, STATUS_LINE, field_lines, split_list

MAX_RESPONSE_FIELDS = 1024


@dataclass(slots=True)
class ResponseHead:
    """A response head that passed every check.

    headers: as received, hop-by-hop fields included. content_length: bytes, None without Content-Length.
    connection: the members of Connection, in lower case. keep_alive: the downstream keeps the connection
    open.
    """

    status: int
    reason: bytes
    minor: int
    headers: HeaderPairs
    content_length: int | None = None
    chunked: bool = False
    keep_alive: bool = True
    connection: tuple[bytes, ...] = ()
    upgrade: bytes = b""

    def has_content(self, method: bytes) -> bool:
        """Whether content follows the head (RFC 9112, section 6.3)."""
        return not (method == b"HEAD" or self.status in BODYLESS_STATUS or self.status < 200)


def malformed(detail: str) -> ProxyError:
    return ProxyError(ErrorKind.MALFORMED_RESPONSE, detail)


def parse_response_head(block: bytes) -> ResponseHead:
    """Parse a header section, its closing empty line included. Raises ProxyError of the kind
    malformed-response."""
    line = STATUS_LINE.match(block)
    if line is None:
        raise malformed("The status line is malformed")
    minor, status, reason = line.groups()
    headers = field_lines(block, line.end(), len(block) - 2)
    if headers is None:
        raise malformed("A header field line is malformed")
    if len(headers) > MAX_RESPONSE_FIELDS:
        raise ProxyError(ErrorKind.RESPONSE_HEAD_TOO_LARGE, "Too many header fields")
    head = ResponseHead(int(status), reason or b"", 1 if minor == b"1" else 0, headers)
    _read_fields(head)
    return head


def _read_fields(head: ResponseHead) -> None:
    headers = head.headers
    coding = b""
    repeated = False
    for name, value in headers:
        if len(name) not in _STEERING_LENGTHS:
            continue
        steering = _STEERING.get(name) or _STEERING.get(name.lower())
        if steering is None:
            continue
        if steering == _LENGTH:
            if CONTENT_LENGTH.fullmatch(value) is None or (length := int(value)) > MAX_LENGTH:
                raise malformed("Content-Length is not a length")
            if head.content_length is not None:
                if length != head.content_length:
                    raise malformed("Content-Length fields disagree")
                repeated = True
            head.content_length = length
        elif steering == _CODING:
            coding = coding + b"," + value if coding else value
        elif steering == _CONNECTION:
            head.connection += tuple(split_list(value))
        else:
            head.upgrade = value.lower()
    if repeated:
        _keep_one_length(head)
    if coding:
        if head.content_length is not None:
            raise malformed("Both Content-Length and Transfer-Encoding are present")
        if coding.lower() != b"chunked" or head.minor == 0:
            raise malformed("Transfer-Encoding is not chunked")
        head.chunked = True
    head.keep_alive = head.minor == 1 and b"close" not in head.connection


def _keep_one_length(head: ResponseHead) -> None:
    """Collapse equal Content-Length fields into the first (RFC 9110, section 8.6)."""
    lengths = [pair for pair in head.headers if pair[0].lower() == b"content-length"]
    head.headers = [pair for pair in head.headers if pair[0].lower() != b"content-length"]
    head.headers.append(lengths[0])


_LENGTH, _CODING, _CONNECTION, _UPGRADE = 1, 2, 3, 4
_STEERING = {
    b"Content-Length": _LENGTH,
    b"content-length": _LENGTH,
    b"Transfer-Encoding": _CODING,
    b"transfer-encoding": _CODING,
    b"Connection": _CONNECTION,
    b"connection": _CONNECTION,
    b"Upgrade": _UPGRADE,
    b"upgrade": _UPGRADE,
}
_STEERING_LENGTHS = frozenset(map(len, _STEERING))
