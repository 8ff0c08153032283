"""The sending side of one connection: pieces in, as few system calls and copies as the kernel allows.

What it is for: handing bytes to the kernel at once, straight from the buffer that they were received in, and
knowing when the other end is slower than we are.
What it must not know: HTTP, what the bytes mean, which framework made the connection.

A buffer that the next read overwrites would have to be copied for a transport. While the transport holds
nothing back, a plain socket is written to directly instead; whatever the kernel does not take goes the
transport's way, and so do TLS and every error. A small message may wait for the others of the loop's turn.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from .outbox import Outbox
from .splicing import Channel

Piece: TypeAlias = bytes | memoryview
"""Bytes to send. A memoryview is valid only during the call that it is given to."""

_MOST_PIECES = 512
"""Pieces of one call; IOV_MAX is 1024 on Linux and macOS."""

SMALL = 2**13
"""Bytes of a message that are cheaper to copy than to send alone."""


class Output:
    """What goes out on `transport`.

    paused: the other end is slower than we are. on_writable: called when it has caught up.
    drain: waits in the server's own way instead; then nothing is known of `paused`, and `relays` is False.
    outbox: where messages may wait; only for a transport that nobody writes to or closes without `release`.
    """

    __slots__ = (
        "_drain",
        "_fd",
        "_held",
        "_lost",
        "_outbox",
        "_transport",
        "_waiters",
        "on_writable",
        "paused",
        "relays",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        drain: Callable[[], Awaitable[None]] | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._transport = transport
        self._drain = drain
        self._outbox = outbox
        self._held = b""
        self._fd = _plain_socket(transport)
        self._waiters: list[asyncio.Future[None]] = []
        self._lost = False
        self.paused = False
        self.relays = drain is None
        self.on_writable: Callable[[], None] | None = None

    def send(self, pieces: Sequence[Piece]) -> None:
        """Send `pieces` in order, behind all that was sent before. Never waits; on a connection that is
        closing they go nowhere."""
        transport = self._transport
        if self._held:
            pieces = (self._held, *pieces)
            self._held = b""
        if transport.is_closing():
            # Its descriptor may be another connection's already.
            return
        if self._fd < 0 or transport.get_write_buffer_size():
            transport.write(b"".join(pieces))
            return
        if len(pieces) > _MOST_PIECES:
            pieces = (b"".join(pieces),)
        try:
            sent = os.writev(self._fd, pieces)
        except OSError:
            # Full, or broken: the transport finds out which, and tells its protocol.
            sent = 0
        if sent < (len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))):
            transport.write(b"".join(pieces)[sent:])

    def send_whole(self, pieces: Sequence[Piece]) -> None:
        """Send a whole message behind all that was sent before, now or at the end of the loop's turn."""
        outbox = self._outbox
        if outbox is None or self._held or sum(map(len, pieces)) > SMALL or not outbox.takes(self):
            self.send(pieces)
        else:
            self._held = b"".join(pieces)

    @property
    def holds(self) -> bool:
        """A message waits for the end of the loop's turn."""
        return bool(self._held)

    def release(self) -> None:
        """Send what waits for the end of the loop's turn."""
        if self._held:
            self.send(())

    def end(self) -> None:
        """End our side of the connection behind all that was sent, where the transport can."""
        self.release()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    @property
    def descriptor(self) -> int:
        """The plain socket behind it; -1 when there is none."""
        return self._fd

    def splice(self, source: int, channel: Channel, most: int) -> int:
        """Send up to `most` bytes that wait in the plain socket `source`, behind all that was sent before;
        how many. 0 while anything that was sent before is held back."""
        self.release()
        transport = self._transport
        if self._fd < 0 or transport.is_closing() or transport.get_write_buffer_size():
            return 0
        taken, rest = channel.move(source, self._fd, most)
        if rest:
            transport.write(rest)
        return taken

    async def drain(self) -> None:
        """Wait while the other end is slower than we are. Raises ConnectionResetError when it has gone."""
        if self._drain is not None:
            await self._drain()
        elif self._lost:
            raise ConnectionResetError("the connection is lost")
        elif self.paused:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    # --- told by the connection's protocol

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._wake()
        if self.on_writable is not None:
            self.on_writable()

    def lost(self) -> None:
        self._lost = True
        self.on_writable = None
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if self._lost:
                waiter.set_exception(ConnectionResetError("the connection is lost"))
            else:
                waiter.set_result(None)


def _plain_socket(transport: asyncio.Transport) -> int:
    """The descriptor to write to; -1 when the transport does more with the bytes than send them."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    descriptor: int = sock.fileno()
    return descriptor
