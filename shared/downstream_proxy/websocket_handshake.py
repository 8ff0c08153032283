"""The opening handshake of a WebSocket (RFC 6455, section 4): what is refused before and after the downstream
was asked.

Pure: header pairs in, errors or bytes out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from .errors import ErrorKind, ProxyError
from .message import HeaderPairs, IncomingRequest

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def check_handshake(request: IncomingRequest, origins: tuple[str, ...] | None) -> None:
    """Refuse a handshake that no server may accept (RFC 6455, section 4.2.1), or from an Origin not in
    `origins`.

    Raises ProxyError: bad-websocket-handshake, websocket-version or websocket-origin.
    """
    keys = _values(request.headers, b"sec-websocket-key")
    versions = _values(request.headers, b"sec-websocket-version")
    if request.method != b"GET" or request.body is not None:
        raise ProxyError(ErrorKind.BAD_WEBSOCKET_HANDSHAKE, "A WebSocket handshake is a GET without content")
    if versions != [b"13"]:
        raise ProxyError(ErrorKind.WEBSOCKET_VERSION)
    if len(keys) != 1 or not _is_key(keys[0]):
        raise ProxyError(ErrorKind.BAD_WEBSOCKET_HANDSHAKE, "Sec-WebSocket-Key is not 16 bytes in base64")
    if origins is not None and "*" not in origins:
        values = _values(request.headers, b"origin")
        if len(values) != 1 or values[0].decode("latin-1") not in origins:
            raise ProxyError(ErrorKind.WEBSOCKET_ORIGIN)


def check_accept(sent: HeaderPairs, received: HeaderPairs) -> None:
    """Refuse a 101 whose Sec-WebSocket-Accept does not belong to the key that was sent (RFC 6455, section
    4.1).

    Raises ProxyError: upgrade-failed. A 101 from something that never read the key would open a tunnel to a
    server that still speaks HTTP.
    """
    accepts = _values(received, b"sec-websocket-accept")
    keys = _values(sent, b"sec-websocket-key")
    if [base64.b64encode(hashlib.sha1(key + _GUID).digest()) for key in keys] != accepts:
        raise ProxyError(ErrorKind.UPGRADE_FAILED, "The downstream's Sec-WebSocket-Accept is wrong")


def _values(headers: HeaderPairs, name: bytes) -> list[bytes]:
    return [value for other, value in headers if other.lower() == name]


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def switching_head(forwarding_headers: HeaderPairs) -> bytes:
    """The 101 as the client sees it."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in forwarding_headers)
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n" % lines
