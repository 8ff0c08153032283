"""A response on its way to the client: header pairs in, exactly one framing out.

Knows RFC 9112 and the connection's output; knows neither where the response comes from nor which framework
serves it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus

from ..message import HeaderPairs
from .output import Output, Piece
from .splicing import Channel

_FIELD = b": ".join
"""A pair as its field line."""

BODYLESS_STATUS = frozenset({204, 304})
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def _always() -> bool:
    return True


class ResponseWriter:
    """Writes one response: a ResponseSink and a BodySink. The order is start, content, then end or abort.

    As a BodySink it collects pieces until flush: begin, put any number of times, finish. method, minor: of
    the request; they decide framing (RFC 9112, section 6.3) and persistence. keep_alive: whether the
    connection may be used again; read it after the end, as framing can rule it out. may_persist: asked when
    the head is composed.
    """

    __slots__ = (
        "_chunked",
        "_left",
        "_may_persist",
        "_method",
        "_minor",
        "_output",
        "_pieces",
        "_sent",
        "_transport",
        "bytes_written",
        "ended",
        "keep_alive",
        "started",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        output: Output,
        method: bytes,
        minor: int,
        keep_alive: bool,
        may_persist: Callable[[], bool] = _always,
    ) -> None:
        self._transport = transport
        self._output = output
        self._method = method
        self._minor = minor
        self._may_persist = may_persist
        self._pieces: list[Piece] = []
        self._chunked = False
        self._left: int | None = None
        self._sent = False
        self.keep_alive = keep_alive
        self.started = False
        self.ended = False
        self.bytes_written = 0

    @property
    def output(self) -> Output:
        return self._output

    @property
    def paused(self) -> bool:
        return self._output.paused

    def begin(self, status: int, reason: bytes | None, headers: HeaderPairs, length: int | None) -> None:
        """Compose the head; it leaves with the first content, or with flush.

        headers: without framing and connection fields, but with Content-Length when `length` is known (or
        when the response has no content and the field is only told, as for HEAD). length: of the content in
        bytes; None when unknown. reason: None for the standard phrase.
        """
        if reason is None:
            reason = _REASONS.get(status, b"")
        lines = [b"HTTP/1.1 %d %b" % (status, reason)]
        lines += map(_FIELD, headers)
        if self._method == b"HEAD" or status in BODYLESS_STATUS:
            self._left = 0
        elif length is not None:
            self._left = length
        elif self._minor:
            self._chunked = True
            lines.append(b"Transfer-Encoding: chunked")
        else:
            self.keep_alive = False
        if not (self.keep_alive and self._may_persist()):
            self.keep_alive = False
            lines.append(b"Connection: close")
        elif not self._minor:
            lines.append(b"Connection: keep-alive")
        lines.append(b"\r\n")
        self._pieces.append(b"\r\n".join(lines))
        self.started = True

    def put(self, data: Piece) -> None:
        """Add content, to leave with the next flush. Raises ValueError beyond the announced length."""
        size = len(data)
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise ValueError("more content than announced")
        self.bytes_written += size
        if self._chunked:
            self._pieces += (b"%x\r\n" % size, data, b"\r\n")
        else:
            self._pieces.append(data)

    def splice(self, source: int, channel: Channel, most: int) -> int:
        """Send content that waits in the plain socket `source`, without it passing through here; how much.
        None of it when what was put has not left, or when each piece needs a frame of its own."""
        if self._pieces or self._left is None or most > self._left:
            return 0
        size = self._output.splice(source, channel, most)
        self._left -= size
        self.bytes_written += size
        return size

    def finish(self, trailers: HeaderPairs | None = None) -> None:
        """Complete the response; one that is shorter than announced is aborted instead."""
        if self._left:
            self.abort()
            return
        if self._chunked:
            section = b"".join(b"%b: %b\r\n" % pair for pair in trailers or ())
            self._pieces.append(b"0\r\n%b\r\n" % section)
        self.ended = True

    def flush(self) -> None:
        pieces = self._pieces
        if pieces:
            self._pieces = []
            if self.ended and not self._sent:
                self._output.send_whole(pieces)
            else:
                self._output.send(pieces)
            self._sent = True

    def retract(self) -> bool:
        """Forget the response, so that another can be started; False when some of it is on its way."""
        if self._sent:
            return False
        self._pieces.clear()
        self._chunked = self.started = self.ended = False
        self._left = None
        return True

    # --- a ResponseSink

    async def start(
        self, status: int, reason: bytes | None, headers: HeaderPairs, length: int | None
    ) -> None:
        self.begin(status, reason, headers, length)

    async def write(self, data: bytes) -> None:
        """Write content, then wait while the client is slower than we are."""
        if data:
            self.put(data)
            self.flush()
            await self._output.drain()

    async def flush_head(self) -> None:
        """Let the head leave by itself."""
        self.flush()

    async def end(self, trailers: HeaderPairs | None = None) -> None:
        self.finish(trailers)
        self.flush()

    def abort(self) -> None:
        """Break the response off so that no client can take it for whole.

        With a length or chunks the missing end tells; what was written still leaves. A close-delimited
        response can only be told from a whole one by a reset (RFC 9112, section 8).
        """
        self.keep_alive = False
        self.ended = True
        self._pieces.clear()
        if self._left is None and not self._chunked:
            reset_on_close(self._transport)
            self._transport.abort()
        else:
            self._output.release()
            self._transport.close()


def interim_head(status: int, reason: bytes, headers: HeaderPairs) -> bytes:
    """A 1xx as it goes on the wire; it has neither content nor framing (RFC 9110, section 15.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, b"".join(b"%b: %b\r\n" % pair for pair in headers))


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the next close of this connection a TCP reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
