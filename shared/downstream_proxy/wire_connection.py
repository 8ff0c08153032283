"""Connections to a downstream, in an exchange and between two.

Knows no HTTP: in an exchange the exchange is told of all that happens, and between two exchanges nothing may
happen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .aiohttp_internals import Connecting, Connection
from .http1.outbox import outbox
from .http1.output import Output
from .http1.receive_buffer import receive_buffer
from .http1.response_writer import reset_on_close
from .http1.splicing import channel
from .peers import untaken
from .timers import Deadline

if TYPE_CHECKING:
    from .wire_exchange import WireExchange


LESS = 2**16
"""Bytes of a read behind which the rest is spliced."""


class IdleConnections:
    """Connections between two exchanges; the one used last is used next, so that few stay open under little
    load.

    seconds: how long one may wait; 0 keeps none.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._idle: dict[WireConnection, None] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def put(self, connection: WireConnection) -> None:
        if self._seconds > 0:
            self._idle[connection] = None
            connection.deadline.start(self._seconds)
        else:
            connection.drop()

    def take(self) -> WireConnection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if not connection.transport.is_closing():
                # A request whose body comes slowly sets no deadline of its own for a while.
                connection.deadline.stop()
                return connection
            connection.drop()
        return None

    def discard(self, connection: WireConnection) -> None:
        self._idle.pop(connection, None)

    def close(self) -> None:
        while self._idle:
            self._idle.popitem()[0].drop()


_NOWHERE = IdleConnections(0)


class WireConnection(asyncio.BufferedProtocol):
    """A connection; between exchanges any byte that comes is a reason to drop it.

    hold: aiohttp's Connection, kept for as long as the connection lives. maker: what aiohttp knows the
    connection by, and is told of its end. idle: where it waits between exchanges.
    """

    __slots__ = (
        "__weakref__",
        "_maker",
        "_received",
        "_view",
        "channel",
        "deadline",
        "exchange",
        "exchanges",
        "hold",
        "idle",
        "output",
        "transport",
    )

    def __init__(
        self,
        hold: Connection,
        maker: Connecting,
        transport: asyncio.Transport,
        idle: IdleConnections,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.hold = hold
        self.idle = idle
        self.transport = transport
        self.output = Output(transport, outbox=outbox(loop))
        self.exchange: WireExchange | None = None
        self.exchanges = 0
        self.deadline = Deadline(loop, self._expired)
        self._maker = maker
        self._received = self._view = receive_buffer(loop).view
        self.channel = channel(loop)
        transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def receive_less(self, less: bool) -> None:
        """Read only the first of what waits: the rest goes another way than through the buffer."""
        self._view = self._received[:LESS] if less else self._received

    def buffer_updated(self, nbytes: int) -> None:
        if self.exchange is not None:
            self.exchange.data_received(self._received[:nbytes])
        else:
            # Nobody asked: an answer to nothing must never become the answer to the next request.
            self.drop()

    def eof_received(self) -> None:
        """Let the transport close: a downstream that ended its side has nothing more to say."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self.deadline.close()
        self.output.lost()
        if self.exchange is not None:
            self.exchange.connection_lost(exc)
        else:
            self.drop()
        self._maker.connection_lost(exc)

    def drop(self) -> None:
        """End the connection and aiohttp's hold on it. Not a close that waits: what is left in the write
        buffer is of no use to anybody, and a downstream that does not read would keep the socket for ever."""
        self.idle.discard(self)
        self.deadline.close()
        if not self.transport.is_closing() and untaken(self.transport):
            # The end would stand behind what the downstream does not read.
            reset_on_close(self.transport)
        self.transport.abort()
        self.hold.close()

    def retire(self) -> None:
        """Serve nobody after the present exchange."""
        if self.exchange is None:
            self.drop()
        else:
            self.idle = _NOWHERE

    def pause_writing(self) -> None:
        self.output.pause()
        if self.exchange is not None:
            self.exchange.writing_paused()

    def resume_writing(self) -> None:
        self.output.resume()
        if self.exchange is not None:
            self.exchange.writing_resumed()

    def _expired(self) -> None:
        if self.exchange is not None:
            self.exchange.expired()
        else:
            self.drop()
