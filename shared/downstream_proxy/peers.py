"""What a transport does not tell of its peer: that it ended while nobody read it, and that it takes nothing.

Both cost nothing while a connection flows: they are asked only of connections that are paused. Knows sockets
and no HTTP.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import select
import socket
import termios
from collections.abc import Callable

from .timers import Deadline

LOOK_SECONDS = 0.1
"""How often connections that are not read are looked at."""

FAREWELL_SECONDS = 1.0
"""How long a TLS peer may take to answer our end with its own; RFC 8446, section 6.1, asks nobody to wait."""

_RESOLUTION = 40
"""Looks per period of an Outflow: what took nothing for the period is noticed that share of it later at
most."""

_ENDED = getattr(select, "POLLRDHUP", 0)
"""Where the system cannot tell (macOS), a reset is noticed and a half-close only when reading goes on."""


class Unread:
    """Connections that are not read at present, each with what to call when its peer has ended.

    The end of a stream stands behind its unread bytes, so the loop tells of it only once they are read. The
    kernel knows it as soon as it has arrived, which a reset always does, and a FIN when the bytes before it
    found room.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Transport, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, transport: asyncio.Transport, ended: Callable[[], None]) -> None:
        """`ended` is called once, unless `discard` comes first."""
        self._waiting[transport] = ended
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def discard(self, transport: asyncio.Transport) -> None:
        self._waiting.pop(transport, None)

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        poll = select.poll()
        found = {}
        for transport in self._waiting:
            if (descriptor := _descriptor(transport)) >= 0:
                poll.register(descriptor, _ENDED)
                found[descriptor] = transport
        for descriptor, _ in poll.poll(0):
            ended = self._waiting.pop(found[descriptor], None)
            if ended is not None:
                ended()
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)


class Flow:
    """One peer's connection, watched while it does not flow.

    ended: called when the peer has ended while it is not read. stuck: when it has taken nothing of what waits
    for it for `seconds`; also after `close`, for a peer that reads nothing must not keep a connection for
    ever.
    """

    __slots__ = (
        "_ended",
        "_farewell",
        "_loop",
        "_lost",
        "_outflow",
        "_seconds",
        "_stuck",
        "_transport",
        "unread",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        unread: Unread,
        seconds: float,
        ended: Callable[[], None],
        stuck: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self.unread = unread
        self._seconds = seconds
        self._ended = ended
        self._stuck = stuck
        self._outflow: Outflow | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._lost = False

    def stop_reading(self) -> None:
        self._transport.pause_reading()
        self.unread.add(self._transport, self._ended)

    def go_on_reading(self) -> None:
        self.unread.discard(self._transport)
        self._transport.resume_reading()

    def full(self) -> None:
        """The transport asks not to be written to."""
        if self._outflow is None:
            self._outflow = Outflow(self._loop, self._transport, self._seconds, self._stuck)
        self._outflow.start()

    def room(self) -> None:
        """The transport may be written to again."""
        if self._outflow is not None and not self._transport.is_closing():
            self._outflow.stop()

    def close(self) -> None:
        """Close the transport after what was written."""
        if self._transport.get_write_buffer_size() and not self._lost:
            self.full()
        self._transport.close()
        if not self._lost and self._transport.get_extra_info("sslcontext") is not None:
            self._await_farewell()

    def _await_farewell(self) -> None:
        self._farewell = self._loop.call_later(FAREWELL_SECONDS, self._leave)

    def _leave(self) -> None:
        """Go without the peer's own end, once it has all that was written."""
        if untaken(self._transport):
            self._await_farewell()
        else:
            self._transport.abort()

    def lost(self) -> None:
        """The connection is gone."""
        self._lost = True
        self.unread.discard(self._transport)
        if self._farewell is not None:
            self._farewell.cancel()
        if self._outflow is not None:
            self._outflow.close()


class Outflow:
    """Calls `stuck` when the peer takes nothing of what is written to it for `seconds`.

    To be started when the transport says that it is full, or when it is closed with bytes left, and stopped
    when there is room again. A peer that takes a little at a time is slow and not stuck.
    """

    __slots__ = ("_deadline", "_left", "_loop", "_moved", "_seconds", "_stuck", "_transport")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        seconds: float,
        stuck: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._stuck = stuck
        self._deadline = Deadline(loop, self._look)
        self._left = 0
        self._moved = 0.0

    def start(self) -> None:
        self._left = untaken(self._transport)
        self._moved = self._loop.time()
        self._deadline.start(self._seconds / _RESOLUTION)

    def stop(self) -> None:
        self._deadline.stop()

    def close(self) -> None:
        """Give the loop's timer back."""
        self._deadline.close()

    def _look(self) -> None:
        left, now = untaken(self._transport), self._loop.time()
        if left < self._left:
            self._moved = now
        self._left = left
        patience = self._moved + self._seconds - now
        if patience <= 0:
            self._stuck()
        else:
            self._deadline.start(min(patience, self._seconds / _RESOLUTION))


def untaken(transport: asyncio.Transport) -> int:
    """Bytes written that the peer has not acknowledged: in the transport's buffer and in the kernel's."""
    waiting = transport.get_write_buffer_size()
    descriptor = _descriptor(transport)
    if descriptor >= 0:
        size = array.array("i", [0])
        try:
            fcntl.ioctl(descriptor, termios.TIOCOUTQ, size)
        except OSError:
            # Gone meanwhile, or no socket that knows.
            return waiting
        waiting += size[0]
    return waiting


def probe(sock: socket.socket | None) -> None:
    """Let the kernel ask now and then whether a silent peer is still there: without power it says no end.

    A listening socket passes it on to the connections that it accepts.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence until the first probe (the second is macOS's word for it) and between two, and how many
may go unanswered: a peer that is gone is noticed after two minutes."""


def _descriptor(transport: asyncio.Transport) -> int:
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())
