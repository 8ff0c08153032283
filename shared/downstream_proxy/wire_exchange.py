"""One request and its response on one connection, as bytes (RFC 9112).

Knows no
settings but the time-outs and limits of its downstream, and nothing of routes, retries or frameworks.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from .downstream import UpgradedConnection, UpgradedEvents
from .errors import ErrorKind, ProxyError, Stage
from .http1.response_body import ResponseBody
from .http1.response_head import ResponseHead
from .http1.response_reader import ResponseReader
from .message import Body, OutgoingRequest
from .settings import DownstreamSettings
from .websocket_handshake import check_accept
from .wire_connection import WireConnection

CONTINUE_SECONDS = 1.0
"""How long the downstream may take to ask for a body with 100 (Continue) before it is sent unasked
(RFC 9110, section 10.1.1: a client should not wait for an indefinite period)."""


class WireExchange:
    """One request and its response on one connection. Implements ResponseEvents."""

    def __init__(
        self,
        protocol: WireConnection,
        request: OutgoingRequest,
        settings: DownstreamSettings,
        finished: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._protocol = protocol
        assert protocol.transport is not None
        self._transport: asyncio.Transport = protocol.transport
        self._request = request
        self._timeouts = settings.timeouts
        self._finished: Callable[[], None] | None = finished
        self._loop = loop
        self._reused = protocol.exchanges > 0
        self._sent = request.body is None
        self._pump: asyncio.Task[None] | None = None
        self._continue: asyncio.TimerHandle | None = None
        self._tunnel: UpgradedEvents | None = None
        self._tunnel_rest = b""
        self.body = ResponseBody(loop, self._pause, self._resume)
        self.reader = ResponseReader(
            self, self.body, request.method, request.upgrade, settings.limits.max_response_head
        )
        self.head: asyncio.Future[ResponseHead] = loop.create_future()
        protocol.exchange = self
        protocol.exchanges += 1

    # --- sending

    def start(self, head: bytes) -> None:
        """Write the head, and the body as far as it is there; the rest follows in a task."""
        body = self._request.body
        if body is None:
            self._transport.write(head)
            self._request_sent()
        elif self._request.expects_continue and not body.is_eof():
            self._transport.write(head)
            self._continue = self._loop.call_later(CONTINUE_SECONDS, self._start_pump)
            self._protocol.deadline.start(self._timeouts.head)
        else:
            try:
                data = body.read_nowait()
            except ProxyError as error:
                self._give_up(error)
                return
            self._transport.writelines((head, *self._framed(data)))
            if body.at_eof():
                self._body_sent()
            else:
                self._pump = self._loop.create_task(self._send_body(body))

    def _framed(self, data: bytes) -> tuple[bytes, ...]:
        if not data:
            return ()
        if self._request.content_length is None:
            return (b"%x\r\n" % len(data), data, b"\r\n")
        return (data,)

    def _start_pump(self) -> None:
        """Send the body now: the downstream asked, or waited long enough."""
        if self._continue is not None:
            self._continue.cancel()
            self._continue = None
            body = self._request.body
            assert body is not None
            self._request.send_continue()
            self._pump = self._loop.create_task(self._send_body(body))

    async def _send_body(self, body: Body) -> None:
        protocol, transport = self._protocol, self._transport
        try:
            while data := await body.readany():
                if transport.is_closing():
                    return
                transport.writelines(self._framed(data))
                if protocol.writing_paused:
                    await protocol._drain_helper()
        except ProxyError as error:
            # The client's body broke off: the downstream must not take what it has for the whole.
            self._give_up(error)
        except ConnectionError:
            # The connection's end is told to the reader, which decides what it means.
            return
        else:
            self._body_sent()

    def _body_sent(self) -> None:
        if self._request.content_length is None:
            self._transport.write(b"0\r\n\r\n")
        self._sent = True
        self._request_sent()

    def _request_sent(self) -> None:
        if not self.head.done():
            self._protocol.deadline.start(self._timeouts.head)

    def writing_paused(self) -> None:
        if self.reader.head is None:
            self._protocol.deadline.start(self._timeouts.read_idle)
        if self._tunnel is not None:
            self._tunnel.pause_client()

    def writing_resumed(self) -> None:
        if self.reader.head is None:
            # The last piece may have been what paused: then it is the answer's head that is waited for.
            self._protocol.deadline.start(self._timeouts.head if self._sent else None)
        if self._tunnel is not None:
            self._tunnel.resume_client()

    # --- receiving

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.downstream_data(data)
            return
        if self.reader.head is not None:
            self._protocol.deadline.start(self._timeouts.read_idle)
        self.reader.feed(data)

    def connection_lost(self, error: BaseException | None) -> None:
        if self._tunnel is not None:
            self._tunnel.downstream_lost()
            self._release(False)
        elif not self.reader.done and self.reader.untouched:
            # Nothing came back. On a connection that had served before, the downstream most likely closed it
            # as idle.
            self._give_up(self._silent_end(error))
        else:
            self.reader.eof(error is None)

    def _silent_end(self, error: BaseException | None) -> ProxyError:
        if isinstance(error, ssl.SSLError):
            # TLS 1.3: a client certificate is refused after the handshake (RFC 8446, section 4.4.2.4), and by
            # then the request is on its way.
            return ProxyError(ErrorKind.TLS_PROTOCOL, stage=Stage.RESPONSE_HEAD)
        if self._reused:
            return ProxyError(ErrorKind.STALE_CONNECTION)
        return ProxyError(ErrorKind.CLOSED_BEFORE_HEAD if self._sent else ErrorKind.REQUEST_NOT_TAKEN)

    def expired(self) -> None:
        if self.reader.head is not None:
            self._give_up(ProxyError(ErrorKind.READ_IDLE_TIMEOUT))
        elif self._sent or self._continue is not None:
            self._give_up(ProxyError(ErrorKind.HEAD_TIMEOUT))
        else:
            self._give_up(ProxyError(ErrorKind.WRITE_TIMEOUT))

    def _pause(self) -> None:
        # The client is slow now, not the downstream: its silence is not counted while we do not listen.
        self._transport.pause_reading()
        self._protocol.deadline.stop()

    def _resume(self) -> None:
        if self._finished is not None:
            self._transport.resume_reading()
            self._protocol.deadline.start(self._timeouts.read_idle)

    # --- ResponseEvents

    def interim(self, status: int) -> None:
        if status == 100:
            self._start_pump()

    def head_received(self, head: ResponseHead) -> None:
        if self._finished is not None:
            self._protocol.deadline.start(self._timeouts.read_idle)
        if not self.head.done():
            self.head.set_result(head)

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        try:
            check_accept(self._request.headers, head.headers)
        except ProxyError as error:
            self._give_up(error)
            return
        self._protocol.deadline.stop()
        self._tunnel_rest = rest
        self._transport.pause_reading()
        if not self.head.done():
            self.head.set_result(head)

    def finished(self, reusable: bool) -> None:
        self._release(reusable and self._sent)

    def failed(self, error: ProxyError) -> None:
        self._give_up(error)

    # --- the ends

    def take_over(self, events: UpgradedEvents) -> UpgradedConnection:
        """After 101: bytes go to `events` from now on."""
        self._tunnel = events
        if self._tunnel_rest:
            events.downstream_data(self._tunnel_rest)
            self._tunnel_rest = b""
        if self._transport.is_closing():
            # It ended between the 101 and now, when nobody was there to be told.
            self._loop.call_soon(events.downstream_lost)
        self._transport.resume_reading()
        return self

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def write_eof(self) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """End an upgraded connection after what was written."""
        self._transport.close()

    def abort(self) -> None:
        """Give the exchange up; the downstream sees its connection end at once."""
        self._give_up(ProxyError(ErrorKind.CLIENT_GONE))

    def _give_up(self, error: ProxyError) -> None:
        self.reader.done = True
        self.body.fail(error)
        if not self.head.done():
            self.head.set_exception(error)
            # Nobody may be waiting any more; an exception that nobody fetches is not worth a warning then.
            self.head.exception()
        self._release(False)

    def _release(self, reusable: bool) -> None:
        finished, self._finished = self._finished, None
        if finished is None:
            return
        if self._continue is not None:
            self._continue.cancel()
            self._continue = None
        if (
            self._pump is not None
            and not self._pump.done()
            and self._pump is not asyncio.current_task(self._loop)
        ):
            self._pump.cancel()
        protocol = self._protocol
        protocol.exchange = None
        if reusable:
            # The content may still wait in memory for a slow client; the connection does not wait with it.
            self._transport.resume_reading()
            protocol.idle.put(protocol)
        else:
            protocol.drop()
        finished()
