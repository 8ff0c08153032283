"""One client connection: bytes in, requests out, one at a time and in order.

Both backends hand every byte a client sends to this class, so that limits, refusals, time-outs and framing
are the same in both. Knows neither framework: it calls a ConnectionOwner when a request is there or the
client has left, and is told when the response is done. Responses go around it, through ResponseWriter.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import StreamReader

from ..connections import Connections
from ..errors import ErrorKind, ProxyError
from ..message import IncomingRequest
from ..peers import Flow
from ..timers import Deadline
from .outbox import outbox
from .output import Output
from .request_body import BodyReceiver
from .request_head import RequestHead, hopeless, parse_request_head
from .response_writer import ResponseWriter, reset_on_close
from .server_rules import (
    BODY_BUFFER,
    LINGER_SECONDS,
    PIPELINE_BUFFER,
    ConnectionOwner,
    ConnectionRules,
    State,
    Tunnel,
)
from .syntax import EMPTY_LINES


class ServerConnection:
    """Reads one client connection for its owner. alone: nobody else writes to its transport."""

    def __init__(
        self,
        owner: ConnectionOwner,
        rules: ConnectionRules,
        connections: Connections,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        alone: bool = False,
    ) -> None:
        self._owner = owner
        self._rules = rules
        self._loop = loop
        self._state = State.WAITING
        self._buffer = b""
        self._scanned = 0
        self._receiver: BodyReceiver | None = None
        self._tunnel: Tunnel | None = None
        self._deadline = Deadline(loop, self._expired)
        self._reading_paused = False
        self._buffer_paused = False
        self._draining = False
        self._idle = rules.keep_alive
        self._body_asked = True
        self._lingering: asyncio.Future[None] | None = None
        self.transport = transport
        self.output = Output(transport, outbox=outbox(loop) if alone else None)
        ended, stuck = self._left_unread, self._stuck
        self.flow = Flow(transport, loop, connections.unread, rules.response_idle, ended, stuck)
        connections.add(self)
        self._connections = connections
        peer = transport.get_extra_info("peername")
        self.peer: str = peer[0] if isinstance(peer, tuple) else ""
        self.scheme = b"https" if transport.get_extra_info("sslcontext") else b"http"
        self._deadline.start(rules.head_timeout)
        if connections.ending is not None:
            # Accepted by the kernel before the listener closed, and by the event loop behind that.
            self.drain(connections.ending)

    def may_keep_alive(self) -> bool:
        """False once the connection is to end with the present response: we are going down, or it came before
        the whole request did, whose rest the client may never send."""
        return not self._draining and (self._receiver is None or self._receiver.complete)

    # --- the transport's side

    def data_received(self, data: bytes) -> None:
        if self._state is State.WAITING:
            self._read_head(data)
        elif self._state is State.ANSWERING:
            if self._receiver is not None and self._receiver.receiving:
                self._buffer = self._receiver.feed(data)
            else:
                self._buffer += data
            if len(self._buffer) > PIPELINE_BUFFER and not self._buffer_paused:
                self._buffer_paused = True
                self.flow.stop_reading()
        elif self._state is State.TUNNEL and self._tunnel is not None:
            self._tunnel.data_received(data)

    def eof_received(self) -> None:
        """The client sends no more. While its request is in progress that means it has left: TCP cannot tell
        a client that half-closes from one that is gone, and a request must not run on for nobody."""
        if self._state is State.TUNNEL and self._tunnel is not None:
            self._tunnel.eof_received()
        else:
            self.output.release()  # an answer that is whole already
            self._gone()

    def connection_lost(self) -> None:
        if self._tunnel is not None:
            self._tunnel.connection_lost()  # in any state: one that is given up has to hear of it too
        self.output.lost()
        self._gone()
        self._deadline.close()
        self.flow.lost()
        self._connections.discard(self)

    def writing_paused(self) -> None:
        self.output.pause()
        self.flow.full()
        if self._tunnel is not None:
            self._tunnel.writing_paused()

    def writing_resumed(self) -> None:
        self.output.resume()
        self.flow.room()
        if self._tunnel is not None:
            self._tunnel.writing_resumed()

    def _left_unread(self) -> None:
        if self._tunnel is None:
            self.abort()
        else:
            self._tunnel.left_unread()

    def _stuck(self) -> None:
        """The client takes nothing: what waits for it is dropped, here and in the kernel."""
        self._gone(ProxyError(ErrorKind.RESPONSE_NOT_TAKEN))
        reset_on_close(self.transport)
        self.transport.abort()

    def _gone(self, error: ProxyError | None = None) -> None:
        before, self._state = self._state, State.CLOSED
        self._deadline.stop()
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)
        if self._receiver is not None:
            self._receiver.fail(ProxyError(ErrorKind.CLIENT_GONE))
        if before is State.ANSWERING:
            self._owner.client_gone(error)

    # --- flow control, in the words of aiohttp's StreamReader

    @property
    def connected(self) -> bool:
        return self._state is not State.CLOSED

    def pause_reading(self) -> None:
        self._reading_paused = True
        self.flow.stop_reading()
        if self._receiver is not None:
            self._receiver.paused()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if not self._buffer_paused and self._state is not State.CLOSED:
                self.flow.go_on_reading()

    # --- heads

    def _read_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if (empty := EMPTY_LINES.match(data)) is not None:
            # RFC 9112, section 2.2: empty lines before the request line are ignored, however they arrive.
            data = data[empty.end() :]
        end = data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        rules = self._rules
        if end < 0 or end + 4 > rules.head.max_bytes:
            self._head_incomplete(data)
            return
        self._buffer, self._scanned = b"", 0
        try:
            head = parse_request_head(data[: end + 4] if end + 4 < len(data) else data, rules.head)
            rules.check_announced(head.content_length)
        except ProxyError as error:
            self.refuse(error, data)
            return
        self._state = State.ANSWERING
        rest = data[end + 4 :]
        body: StreamReader | None = None
        if head.has_body:
            # It asks of its protocol what flow control above offers, and nothing else.
            body = StreamReader(cast(Any, self), BODY_BUFFER, loop=self._loop)
            self._receiver = BodyReceiver(body, head.content_length, rules.max_body)
            self._body_asked = not head.expects_continue
            self._deadline.start(rules.body_idle)
            if rest:
                rest = self._receiver.feed(rest)
        else:
            self._receiver = None
            self._deadline.stop()
        self._buffer = rest
        self._owner.request_received(head, body)

    def _head_incomplete(self, data: bytes) -> None:
        self._buffer = data
        if not data:
            return
        if (error := hopeless(data, self._scanned, self._rules.head)) is not None:
            self.refuse(error, data)
        else:
            if not self._scanned:
                self._deadline.start(self._rules.head_timeout)
            self._scanned = len(data)

    # --- the owner's side

    def incoming(self, head: RequestHead, body: StreamReader | None) -> IncomingRequest:
        """The request in the engine's terms."""
        return head.as_request(body, self.peer, self.scheme, self.send_continue, self.send_interim)

    def writer(self, head: RequestHead) -> ResponseWriter:
        """What writes the response to this request."""
        keep_alive, still = head.keep_alive, self.may_keep_alive
        return ResponseWriter(self.transport, self.output, head.method, head.minor, keep_alive, still)

    def response_done(self, keep_alive: bool) -> None:
        """The response was written whole. Goes on to the next request, or closes."""
        if self._state is not State.ANSWERING:
            return
        receiver, self._receiver = self._receiver, None
        if receiver is not None and not receiver.complete:
            self._linger()
        elif not keep_alive:
            self.close()
        else:
            # Also while draining, when this response had announced to stay before that began.
            self._state = State.WAITING
            if self._buffer_paused:
                self._buffer_paused = False
                self.flow.go_on_reading()
            if self._buffer:
                data, self._buffer = self._buffer, b""
                self._deadline.start(self._rules.head_timeout)
                self._read_head(data)
            else:
                self._deadline.start(self._idle)

    def send_continue(self) -> None:
        """Tell the client to send its body (RFC 9110, section 10.1.1)."""
        if (
            self._state is State.ANSWERING
            and self._receiver is not None
            and self._receiver.awaiting_first_byte
        ):
            self._body_asked = True
            self._deadline.start(self._rules.body_idle)
            self.output.send((b"HTTP/1.1 100 Continue\r\n\r\n",))

    def send_interim(self, head: bytes) -> None:
        """Send a 1xx to a client that awaits its answer."""
        if self._state is State.ANSWERING:
            self.output.send((head,))

    def refuse(self, error: ProxyError, data: bytes = b"") -> None:
        """Answer what never became a request, and give the connection up. data: what there is of it."""
        self.output.send((self._rules.refusal(error, self.peer, data),))
        self._linger()

    def upgrade(self, tunnel: Tunnel) -> bytes:
        """Give the connection to a tunnel; returns what the client sent already."""
        self._state = State.TUNNEL
        self._tunnel = tunnel
        self._deadline.stop()
        if self._buffer_paused:
            self._buffer_paused = False
            self.flow.go_on_reading()
        data, self._buffer = self._buffer, b""
        return data

    def drain(self, idle: float) -> None:
        """The server is going down: end with the present response.

        One that waits for a request stays `idle` seconds for a last one, whose answer says `Connection:
        close`: it may be on its way, and closing now would lose it (RFC 9112, section 9.6).
        """
        self._draining = True
        self._idle = min(idle, self._idle)
        if self._state is State.WAITING and not self._buffer:
            if self._idle > 0:
                self._deadline.start(self._idle)
            else:
                self.close()
        elif self._state is State.TUNNEL and self._tunnel is not None:
            self._tunnel.shutdown()

    def close(self) -> None:
        """Close after what was written."""
        self._state = State.CLOSED
        self._deadline.stop()
        self.output.release()
        self.flow.close()

    def abort(self) -> None:
        """Close without waiting for anything; a request in progress ends as if its client had left."""
        self._gone()
        self.transport.abort()

    @property
    def lingering(self) -> bool:
        """Given up with unread bytes."""
        return self._state is State.LINGERING

    async def lingered(self) -> None:
        """Wait until a connection that was given up with unread bytes may be closed."""
        if self.lingering:
            self._lingering = self._loop.create_future()
            await self._lingering

    def _linger(self) -> None:
        """Close our side, then read on and ignore it: a close with bytes unread would cost the client its
        answer (RFC 9112, section 9.6)."""
        self._state = State.LINGERING
        self._buffer = b""
        if self._reading_paused or self._buffer_paused:
            self._reading_paused = self._buffer_paused = False
            self.flow.go_on_reading()
        self.output.end()
        self._deadline.start(LINGER_SECONDS)

    # --- time

    def _expired(self) -> None:
        if self._state is State.WAITING:
            if self._buffer:
                self.refuse(ProxyError(ErrorKind.REQUEST_HEAD_TIMEOUT), self._buffer)
            else:
                self.close()
        elif self._state is State.ANSWERING:
            receiver = self._receiver
            if receiver is not None and receiver.receiving:
                if self._reading_paused:
                    receiver.paused()
                receiver.period_ended(self._rules.body_idle * self._rules.min_body_rate, self._body_asked)
                if receiver.receiving:
                    self._deadline.start(self._rules.body_idle)
        elif self._state is State.LINGERING:
            self.abort()
