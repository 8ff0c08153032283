"""A response on its way to the client: header pairs in, exactly one framing out.

Knows RFC 9112 and an asyncio transport; knows neither where the response comes from nor which framework
serves it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from ..message import HeaderPairs

BODYLESS_STATUS = frozenset({204, 304})
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ResponseWriter:
    """Writes one response: a ResponseSink. The order of calls is start, write any number of times, then end
    or abort.

    transport: where to. drain: waits while the transport's buffer is over its high-water mark.
    method, minor: of the request; they decide framing (RFC 9112, section 6.3) and persistence.
    keep_alive: whether the connection may be used again; read it after the end, as framing can rule it out.
    """

    __slots__ = (
        "_chunked",
        "_drain",
        "_left",
        "_method",
        "_minor",
        "_pending",
        "_transport",
        "bytes_written",
        "ended",
        "keep_alive",
        "started",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        drain: Callable[[], Awaitable[None]],
        method: bytes,
        minor: int,
        keep_alive: bool,
    ) -> None:
        self._transport = transport
        self._drain = drain
        self._method = method
        self._minor = minor
        self._pending = b""
        self._chunked = False
        self._left: int | None = None
        self.keep_alive = keep_alive
        self.started = False
        self.ended = False
        self.bytes_written = 0

    async def start(
        self, status: int, reason: bytes | None, headers: HeaderPairs, length: int | None
    ) -> None:
        """Compose the head; it leaves with the first body bytes, or with flush.

        headers: without framing and connection fields, but with Content-Length when `length` is known (or
        when the response has no content and the field is only told, as for HEAD). length: of the content in
        bytes; None when unknown. reason: None for the standard phrase.
        """
        if reason is None:
            reason = _REASONS.get(status, b"")
        parts = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        if self._method == b"HEAD" or status in BODYLESS_STATUS:
            self._left = 0
        elif length is not None:
            self._left = length
        elif self._minor:
            self._chunked = True
            parts.append(b"Transfer-Encoding: chunked\r\n")
        else:
            self.keep_alive = False
        if not self.keep_alive:
            parts.append(b"Connection: close\r\n")
        elif not self._minor:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n")
        self._pending = b"".join(parts)
        self.started = True

    def write_nowait(self, data: bytes) -> None:
        """Write content without waiting for the client to take it. Raises ValueError beyond the announced
        length."""
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise ValueError("more content than announced")
        self.bytes_written += len(data)
        pending, self._pending = self._pending, b""
        if self._chunked:
            self._transport.writelines((pending, b"%x\r\n" % len(data), data, b"\r\n"))
        elif pending:
            self._transport.writelines((pending, data))
        else:
            self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """Write content, then wait while the client is slower than we are."""
        if data:
            self.write_nowait(data)
            await self._drain()

    async def flush(self) -> None:
        """Let the head leave by itself."""
        if self._pending:
            pending, self._pending = self._pending, b""
            self._transport.write(pending)

    async def end(self, trailers: HeaderPairs | None = None) -> None:
        """Complete the response; a response shorter than announced is aborted instead."""
        if self._left:
            self.abort()
            return
        pending, self._pending = self._pending, b""
        if self._chunked:
            section = b"".join(b"%b: %b\r\n" % pair for pair in trailers or ())
            self._transport.write(b"%b0\r\n%b\r\n" % (pending, section))
        elif pending:
            self._transport.write(pending)
        self.ended = True

    def abort(self) -> None:
        """Break the response off so that no client can take it for whole.

        With a length or chunks the missing end tells; what was written still leaves. A close-delimited
        response can only be told from a whole one by a reset (RFC 9112, section 8).
        """
        self.keep_alive = False
        self.ended = True
        self._pending = b""
        if self._left is None and not self._chunked:
            reset_on_close(self._transport)
            self._transport.abort()
        else:
            self._transport.close()


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the next close of this connection a TCP reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
