"""WebSocket through the proxy (RFC 6455): the handshake is checked, then both connections become one tunnel.

Frames cross byte for byte, so extensions, fragments, pings, close codes and UTF-8 are judged by the two ends,
as they would be without a proxy. The tunnel reads frame headers only, for two reasons: to bound the size of a
message, and to say 1001 (Going Away) between two frames when the server goes down. Knows no framework.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from .downstream import DownstreamResponse, UpgradedConnection
from .errors import ErrorKind, ProxyError
from .http1.server_connection import ServerConnection
from .message import HeaderPairs, IncomingRequest

GOING_AWAY = 1001
TOO_BIG = 1009
CLOSE_SECONDS = 2.0
"""How long the ends may take to finish the closing handshake that the proxy began."""


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


def _values(headers: HeaderPairs, name: bytes) -> list[bytes]:
    return [value for other, value in headers if other.lower() == name]


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


class FrameScanner:
    """Follows the frames of one direction by their headers (RFC 6455, section 5.2)."""

    __slots__ = ("_header", "_left", "_limit", "_message", "closed")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._header = b""
        self._left = 0
        self._message = 0
        self.closed = False

    @property
    def between_frames(self) -> bool:
        return not self._left and not self._header

    def feed(self, data: bytes) -> bool:
        """Follow `data`; False when a message has grown past the limit."""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                taken = min(self._left, end - position)
                self._left -= taken
                position += taken
                continue
            self._header += data[position : position + 1]
            position += 1
            if not self._frame_begins():
                return False
        return True

    def _frame_begins(self) -> bool:
        header = self._header
        if len(header) < 2:
            return True
        short = header[1] & 0x7F
        wanted = 2 + {126: 2, 127: 8}.get(short, 0) + (4 if header[1] & 0x80 else 0)
        if len(header) < wanted:
            return True
        length = short if short < 126 else int.from_bytes(header[2 : 4 if short == 126 else 10])
        self._header = b""
        self._left = length
        opcode = header[0] & 0x0F
        if opcode >= 8:
            self.closed = self.closed or opcode == 8
            return True
        self._message += length
        within = self._limit is None or self._message <= self._limit
        if header[0] & 0x80:
            self._message = 0
        return within


def close_frame(code: int, masked: bool) -> bytes:
    """A Close frame without a reason; the mask of zeros is allowed, and hides nothing that needs hiding."""
    payload = code.to_bytes(2)
    return b"\x88\x82\0\0\0\0" + payload if masked else b"\x88\x02" + payload


class WebSocketTunnel:
    """Both connections after the 101: http1.server_connection.Tunnel to the client, UpgradedEvents to the
    downstream."""

    def __init__(self, client: ServerConnection, response: DownstreamResponse, limit: int | None) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._from_client = FrameScanner(limit)
        self._from_downstream = FrameScanner(limit)
        self._ending: asyncio.TimerHandle | None = None
        self._going_away = False
        self.bytes_to_client = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()
        assert response.upgrade is not None
        self._response = response
        self._downstream: UpgradedConnection | None = None

    async def run(self, head: bytes) -> None:
        """Write the 101 and relay until either side ends."""
        client = self._client
        client.transport.write(head)
        early = client.upgrade(self)
        assert self._response.upgrade is not None
        self._downstream = self._response.upgrade(self)
        if early:
            self.data_received(early)
        try:
            await self.ended
        finally:
            if self._ending is not None:
                self._ending.cancel()
            self._downstream.abort()
            client.close()

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    # --- from the client

    def data_received(self, data: bytes) -> None:
        if self._downstream is None or (self._ending is not None and not self._from_client.closed):
            return
        if not self._from_client.feed(data):
            self._close_both(TOO_BIG)
            return
        self._downstream.write(data)

    def eof_received(self) -> None:
        self.connection_lost()

    def connection_lost(self) -> None:
        """The client is gone: what it sent still reaches the downstream, then that connection ends too."""
        if self._downstream is not None:
            self._downstream.close()
        self._loop.call_soon(self._finish)

    def writing_paused(self) -> None:
        if self._downstream is not None:
            self._downstream.pause_reading()

    def writing_resumed(self) -> None:
        if self._downstream is not None:
            self._downstream.resume_reading()

    def shutdown(self) -> None:
        """Say 1001 to both, between two frames; a direction in the middle of a frame is left to the
        deadline."""
        self._going_away = True
        self._close_both(GOING_AWAY)

    # --- from the downstream

    def downstream_data(self, data: bytes) -> None:
        if self._ending is not None and not self._from_downstream.closed:
            return
        if not self._from_downstream.feed(data):
            self._close_both(TOO_BIG)
            return
        self.bytes_to_client += len(data)
        self._client.transport.write(data)

    def downstream_lost(self) -> None:
        self._client.close()
        self._finish()

    def pause_client(self) -> None:
        self._client.transport.pause_reading()

    def resume_client(self) -> None:
        self._client.transport.resume_reading()

    # --- the end

    def _close_both(self, code: int) -> None:
        if self._ending is not None:
            return
        self._ending = self._loop.call_later(CLOSE_SECONDS, self._finish)
        if self._from_downstream.between_frames and not self._from_downstream.closed:
            self._client.transport.write(close_frame(code, masked=False))
        if self._from_client.between_frames and not self._from_client.closed and self._downstream is not None:
            self._downstream.write(close_frame(code, masked=True))


def switching_head(forwarding_headers: HeaderPairs) -> bytes:
    """The 101 as the client sees it."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in forwarding_headers)
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n" % lines
