"""WebSocket through the proxy (RFC 6455): the handshake is checked, then both connections become one tunnel.

Frames cross byte for byte, so extensions, fragments, pings, close codes and UTF-8 are judged by the two ends,
as they would be without a proxy. The tunnel reads frame headers only, for two reasons: to bound the size of a
message, and to say 1001 (Going Away) between two frames when the server goes down. Knows no framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from secrets import token_bytes

from .downstream import DownstreamResponse, UpgradedConnection
from .http1.server_connection import ServerConnection

GOING_AWAY = 1001
TOO_BIG = 1009
CLOSE_SECONDS = 2.0
"""How long the ends may take to finish a closing handshake, or to close their half of a connection whose
other half has ended."""


class FrameScanner:
    """Follows the frames of one direction by their headers (RFC 6455, section 5.2).

    left: bytes of the present frame's payload still to come; 0 between two frames. closed: a Close frame has
    begun. too_big: a message has grown past the limit. held: the beginning of a header that is not whole.
    """

    __slots__ = ("_limit", "_message", "closed", "held", "left", "too_big")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._message = 0
        self.held = b""
        self.left = 0
        self.closed = False
        self.too_big = False

    def feed(self, data: bytes) -> bytes:
        """What may pass on: all but a header that is not whole yet, or from the frame that is too big.

        So what has passed ends between two frames or inside a payload, never inside a header.
        """
        size = len(data)
        if self.left >= size:
            self.left -= size
            return data
        if self.held:
            data = self.held + data
            self.held = b""
            size = len(data)
        at, last = self.left, size - 1
        self.left = 0
        while at < last:
            first, second = data[at], data[at + 1]
            length = second & 0x7F
            payload = at + 2
            if length > 125:
                payload += 2 if length == 126 else 8
                if payload > size:
                    break
                length = int.from_bytes(data[at + 2 : payload])
            if second & 0x80:
                payload += 4
            if payload > size:
                break
            if first & 0x08:
                self.closed = self.closed or first & 0x0F == 8
            else:
                self._message += length
                if self._limit is not None and self._message > self._limit:
                    self.too_big = True
                    return data[:at]
                if first & 0x80:
                    self._message = 0
            at = payload + length
        if at >= size:
            self.left = at - size
            return data
        self.held = data[at:]
        return data[:at]


def close_frame(code: int, masked: bool) -> bytes:
    """A Close frame without a reason."""
    payload = code.to_bytes(2)
    if not masked:
        return b"\x88\x02" + payload
    mask = token_bytes(4)
    return b"\x88\x82" + mask + bytes((payload[0] ^ mask[0], payload[1] ^ mask[1]))


class _Direction:
    """One way through the tunnel: passes frames on until the sender ends or the proxy says Close instead.

    answered: the sender has said Close. write: to the reader.
    """

    __slots__ = ("_due", "_masked", "_over", "_scanner", "_write")

    def __init__(self, limit: int | None, masked: bool, write: Callable[[bytes], None]) -> None:
        self._scanner = FrameScanner(limit)
        self._masked = masked
        self._write = write
        self._due = b""
        self._over = False

    @property
    def answered(self) -> bool:
        return self._scanner.closed

    def feed(self, data: bytes) -> bool:
        """Pass `data` on; False when a message has grown past the limit."""
        scanner = self._scanner
        if scanner.too_big:
            return True
        left = scanner.left
        passed = scanner.feed(data)
        if self._due:
            # The frame that was under way still passes; the sender's own Close is only taken note of.
            self._write(data[:left])
            if len(data) >= left:
                self._say_close()
        elif not self._over and passed:
            self._write(passed)
        return not scanner.too_big

    def close(self, code: int) -> None:
        """Say Close to the reader, at the end of the present frame; nothing follows it."""
        if self._over or self._scanner.closed:
            return
        self._due = close_frame(code, self._masked)
        if not self._scanner.left:
            self._say_close()

    def _say_close(self) -> None:
        self._write(self._due)
        self._due = b""
        self._over = True

    def end(self) -> None:
        """The sender is gone: what was held back passes, and nothing after it."""
        if not self._over and not self._due and not self._scanner.too_big and self._scanner.held:
            self._write(self._scanner.held)
        self.stop()

    def stop(self) -> None:
        """Nobody reads any more."""
        self._due = b""
        self._over = True


class WebSocketTunnel:
    """Both connections after the 101: http1.server_connection.Tunnel to the client, UpgradedEvents to the
    downstream.

    One side's end reaches the other as the end of its stream, behind all that was sent before; then the other
    has CLOSE_SECONDS to end too. bytes_to_client: written after the 101.
    """

    def __init__(self, client: ServerConnection, response: DownstreamResponse, limit: int | None) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._from_client = _Direction(limit, True, self._to_downstream)
        self._from_downstream = _Direction(limit, False, self._to_client)
        self._ending: asyncio.TimerHandle | None = None
        self._closing = False
        self._client_ended = False
        self._downstream_ended = False
        self._client_full = False
        self._unwritten = 0
        self._early = b""
        self._response = response
        self._downstream: UpgradedConnection | None = None
        self.bytes_to_client = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()

    async def run(self, head: bytes) -> None:
        """Write the 101 and relay until both sides have ended."""
        client, transport = self._client, self._client.transport
        transport.write(head)
        # What an earlier response left in the buffer counts: its pause was told before there was a tunnel.
        self._client_full = transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        sent_already = client.upgrade(self)
        assert self._response.upgrade is not None
        try:
            self._downstream = self._response.upgrade(self)
            early, self._early = self._early, b""
            if early:
                self.downstream_data(early)
            if self._client_full:
                self._downstream.pause_reading()
            if sent_already:
                self.data_received(sent_already)
            if not client.may_keep_alive():
                # The server began to go down while the downstream thought about the handshake.
                self.shutdown()
            await self.ended
        finally:
            self._finish()
            self._client_ended = self._downstream_ended = True
            if self._ending is not None:
                self._ending.cancel()
            self._response.abort()
            client.close()
            if transport.get_write_buffer_size():
                # A client that does not read must not keep the connection for ever.
                self._loop.call_later(CLOSE_SECONDS, transport.abort)

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    # --- from the client

    def data_received(self, data: bytes) -> None:
        if not self._from_client.feed(data):
            self._close_both(TOO_BIG)
        elif self._from_client.answered:
            self._both_may_have_closed()

    def _to_downstream(self, data: bytes) -> None:
        if self._downstream is not None and not self._downstream_ended:
            self._downstream.write(data)

    def eof_received(self) -> None:
        self.connection_lost()

    def connection_lost(self) -> None:
        """The client is gone: what it sent still reaches the downstream, then that connection ends too."""
        if self._client_ended:
            return
        self._client_ended = True
        self._from_client.end()
        self._from_downstream.stop()
        if self._downstream is not None and not self._downstream_ended:
            self._downstream.write_eof()
            self._downstream.resume_reading()
        self._one_ended()

    def writing_paused(self) -> None:
        self._client_full = True
        if self._downstream is not None and not self._client_ended:
            self._downstream.pause_reading()

    def writing_resumed(self) -> None:
        self._client_full = False
        if self._downstream is not None and not self._downstream_ended:
            self._downstream.resume_reading()

    def shutdown(self) -> None:
        """Say 1001 to both, each between two frames."""
        self._close_both(GOING_AWAY)

    # --- from the downstream

    def downstream_data(self, data: bytes) -> None:
        if self._downstream is None:
            # Came with the 101; there is no way back yet, on which to say that it is too big.
            self._early += data
        elif not self._from_downstream.feed(data):
            self._close_both(TOO_BIG)
        elif self._from_downstream.answered:
            self._both_may_have_closed()

    def _to_client(self, data: bytes) -> None:
        if not self._client_ended:
            self.bytes_to_client += len(data)
            self._client.transport.write(data)

    def downstream_lost(self) -> None:
        """The downstream is gone: what it sent still reaches the client, then that connection ends too.

        Only our half of it at first: closing with the client's bytes unread would reset the connection, and
        the client would lose what it has not read.
        """
        if self._downstream_ended:
            return
        self._from_downstream.end()
        self._downstream_ended = True
        self._from_client.stop()
        transport = self._client.transport
        if not self._client_ended and not transport.is_closing():
            if transport.can_write_eof():
                transport.write_eof()
                transport.resume_reading()
            else:
                self._client_ended = True
        self._one_ended()

    def pause_client(self) -> None:
        if not self._client_ended:
            self._client.transport.pause_reading()

    def resume_client(self) -> None:
        if not self._client_ended:
            self._client.transport.resume_reading()

    # --- the end

    def _one_ended(self) -> None:
        if self._client_ended and self._downstream_ended:
            self._finish()
        else:
            self._start_ending()

    def _start_ending(self) -> None:
        if self._ending is None:
            self._unwritten = self._client.transport.get_write_buffer_size()
            self._ending = self._loop.call_later(CLOSE_SECONDS, self._expired)

    def _expired(self) -> None:
        """Time is up, unless the client is still taking what the downstream left."""
        unwritten = self._client.transport.get_write_buffer_size()
        if self._downstream_ended and 0 < unwritten < self._unwritten:
            self._ending = None
            self._start_ending()
        else:
            self._finish()

    def _close_both(self, code: int) -> None:
        if self._closing:
            return
        self._closing = True
        self._start_ending()
        self._from_downstream.close(code)
        self._from_client.close(code)
        self._both_may_have_closed()

    def _both_may_have_closed(self) -> None:
        """Both ends have said Close, so nothing more will come: the downstream is to close its connection
        first, and where the proxy has spoken for it, the proxy is."""
        if (self._from_client.answered or self._client_ended) and (
            self._from_downstream.answered or self._downstream_ended
        ):
            if self._closing:
                self._finish()
            else:
                self._start_ending()
