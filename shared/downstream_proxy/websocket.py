"""WebSocket through the proxy (RFC 6455): the handshake is checked, then both connections become one tunnel.

Frames cross byte for byte, so extensions, fragments, pings, close codes and UTF-8 are judged by the two ends,
as they would be without a proxy. The tunnel reads frame headers only, for two reasons: to bound the size of a
message, and to say 1001 (Going Away) between two frames when the server goes down. Knows no framework.
"""

from __future__ import annotations

import asyncio

from .downstream import DownstreamResponse, UpgradedConnection
from .http1.server_connection import ServerConnection
from .peers import probe, untaken
from .websocket_frames import Direction

GOING_AWAY = 1001
TOO_BIG = 1009
CLOSE_SECONDS = 2.0
"""How long the ends may take to finish a closing handshake, or to close their half of a connection whose
other half has ended."""


class WebSocketTunnel:
    """Both connections after the 101: http1.server_connection.Tunnel to the client, UpgradedEvents to the
    downstream.

    One side's end reaches the other as the end of its stream, behind all that was sent before; then the other
    has CLOSE_SECONDS to end too. bytes_to_client: written after the 101.
    """

    def __init__(self, client: ServerConnection, response: DownstreamResponse, limit: int | None) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._from_client = Direction(limit, True, self._to_downstream)
        self._from_downstream = Direction(limit, False, self._to_client)
        self._ending: asyncio.TimerHandle | None = None
        self._closing = False
        self._client_ended = False
        self._downstream_ended = False
        self._client_full = False
        self._client_leaving = False
        self._downstream_leaving = False
        self._untaken = 0
        self._early = b""
        self._response = response
        self._unread = client.flow.unread
        self._downstream: UpgradedConnection | None = None
        self.bytes_to_client = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()

    async def run(self, head: bytes) -> None:
        """Write the 101 and relay until both sides have ended."""
        client, transport = self._client, self._client.transport
        client.output.send((head,))
        # What an earlier response left in the buffer counts: its pause was told before there was a tunnel.
        self._client_full = transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        sent_already = client.upgrade(self)
        assert self._response.upgrade is not None
        try:
            self._downstream = self._response.upgrade(self)
            probe(self._downstream.transport.get_extra_info("socket"))
            early, self._early = self._early, b""
            if early:
                self.downstream_data(early)
            if self._client_full:
                self._stop_downstream(self._downstream)
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
            if self._downstream is not None:
                self._unread.discard(self._downstream.transport)
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
            self._hear_downstream(self._downstream)
        self._one_ended()

    def writing_paused(self) -> None:
        self._client_full = True
        if self._downstream is not None and not self._client_ended:
            self._stop_downstream(self._downstream)

    def writing_resumed(self) -> None:
        self._client_full = False
        if self._downstream is not None and not self._downstream_ended:
            self._hear_downstream(self._downstream)

    def _stop_downstream(self, downstream: UpgradedConnection) -> None:
        downstream.pause_reading()
        self._unread.add(downstream.transport, self._downstream_left_unread)

    def _hear_downstream(self, downstream: UpgradedConnection) -> None:
        self._unread.discard(downstream.transport)
        downstream.resume_reading()

    def _downstream_left_unread(self) -> None:
        """It ended behind bytes for which the client has no room yet."""
        self._downstream_leaving = True
        self._start_ending()

    def left_unread(self) -> None:
        """The client ended behind bytes for which the downstream has no room yet."""
        self._client_leaving = True
        self._start_ending()

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
                self._client.flow.go_on_reading()
            else:
                self._client_ended = True
        self._one_ended()

    def pause_client(self) -> None:
        if not self._client_ended:
            self._client.flow.stop_reading()

    def resume_client(self) -> None:
        if not self._client_ended:
            self._client.flow.go_on_reading()

    # --- the end

    def _one_ended(self) -> None:
        if self._client_ended and self._downstream_ended:
            self._finish()
        else:
            self._start_ending()

    def _start_ending(self) -> None:
        if self._ending is None:
            self._untaken = self._left_behind()
            self._ending = self._loop.call_later(CLOSE_SECONDS, self._expired)

    def _expired(self) -> None:
        """Time is up, unless the other side is still taking what the one that ended has left."""
        left = self._left_behind()
        if left and left != self._untaken:
            self._ending = None
            self._start_ending()
        else:
            self._finish()

    def _left_behind(self) -> int:
        """Bytes that wait for a side whose other side has ended."""
        left = 0
        if (self._downstream_ended or self._downstream_leaving) and not self._client_ended:
            left += untaken(self._client.transport)
        if (self._client_ended or self._client_leaving) and self._downstream and not self._downstream_ended:
            left += untaken(self._downstream.transport)
        return left

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
