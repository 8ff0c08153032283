"""One request and its response on one connection, as bytes (RFC 9112).

Knows the time-outs and limits of its downstream, and nothing of routes, retries or frameworks.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from .downstream import DownstreamResponse, UpgradedConnection, UpgradedEvents
from .errors import ErrorKind, ProxyError, Stage
from .http1.response_body import ResponseBody
from .http1.response_head import ResponseHead
from .http1.response_reader import ResponseReader
from .http1.splicing import MOST, SPLICE_FROM, UNSPLICED
from .message import Body, OutgoingRequest
from .settings import DownstreamSettings
from .websocket_handshake import check_accept
from .wire_connection import WireConnection
from .wire_tunnel import WireTunnel

CONTINUE_SECONDS = 1.0
"""How long the downstream may take to ask for a body with 100 (Continue) before it is sent unasked
(RFC 9110, section 10.1.1: a client should not wait for an indefinite period)."""


class WireExchange:
    """One request and its response on one connection. Implements ResponseEvents."""

    __slots__ = (
        "_answer",
        "_connection",
        "_continue",
        "_finished",
        "_loop",
        "_pump",
        "_request",
        "_response",
        "_reused",
        "_sent",
        "_timeouts",
        "_tunnel",
        "_tunnel_rest",
        "body",
        "reader",
    )

    def __init__(
        self,
        connection: WireConnection,
        request: OutgoingRequest,
        settings: DownstreamSettings,
        finished: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._connection = connection
        self._request = request
        self._timeouts = settings.timeouts
        self._finished: Callable[[], None] | None = finished
        self._loop = loop
        self._reused = connection.exchanges > 0
        self._sent = request.body is None
        self._pump: asyncio.Task[None] | None = None
        self._continue: asyncio.TimerHandle | None = None
        self._tunnel: UpgradedEvents | None = None
        self._tunnel_rest = b""
        self._response: DownstreamResponse | None = None
        self.body = ResponseBody(loop, self._pause, self._resume)
        self.reader = ResponseReader(
            self, self.body, request.method, request.upgrade, settings.limits.max_response_head
        )
        self._answer: asyncio.Future[DownstreamResponse] | None = loop.create_future()
        connection.exchange = self
        connection.exchanges += 1

    # --- sending

    def start(self, head: bytes) -> asyncio.Future[DownstreamResponse]:
        """Write the head, and the body as far as it is there; the rest follows in a task.

        What is returned is the response, once its head and what came with it are in order, or a ProxyError.
        """
        answer = self._answer
        assert answer is not None
        self._write_request(head)
        return answer

    def _write_request(self, head: bytes) -> None:
        body = self._request.body
        if body is None:
            self._connection.output.send_whole((head,))
            self._request_sent()
        elif self._request.expects_continue and not body.is_eof():
            self._connection.output.send((head,))
            self._continue = self._loop.call_later(CONTINUE_SECONDS, self._start_pump)
            self._connection.deadline.start(self._timeouts.head)
        else:
            try:
                data = body.read_nowait()
            except ProxyError as error:
                self._give_up(error)
                return
            if body.at_eof():
                self._connection.output.send_whole((head, *self._framed(data), *self._last_chunk()))
                self._request_sent()
            else:
                self._connection.output.send((head, *self._framed(data)))
                self._pump = self._loop.create_task(self._send_body(body))

    def _framed(self, data: bytes) -> tuple[bytes, ...]:
        if not data:
            return ()
        if self._request.content_length is None:
            return (b"%x\r\n" % len(data), data, b"\r\n")
        return (data,)

    def _last_chunk(self) -> tuple[bytes, ...]:
        return (b"0\r\n\r\n",) if self._request.content_length is None else ()

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
        output = self._connection.output
        try:
            while data := await body.readany():
                output.send(self._framed(data))
                await output.drain()
        except ProxyError as error:
            # The client's body broke off: the downstream must not take what it has for the whole.
            self._give_up(error)
        except ConnectionError:
            # The connection's end is told to the reader, which decides what it means.
            return
        else:
            if last := self._last_chunk():
                output.send(last)
            self._request_sent()

    def _request_sent(self) -> None:
        self._sent = True
        if self._answer is not None:
            self._connection.deadline.start(self._timeouts.head)

    def writing_paused(self) -> None:
        if self.reader.head is None:
            self._connection.deadline.start(self._timeouts.read_idle)
        if self._tunnel is not None:
            self._tunnel.pause_client()

    def writing_resumed(self) -> None:
        if self.reader.head is None:
            # The last piece may have been what paused: then it is the answer's head that is waited for.
            self._connection.deadline.start(self._timeouts.head if self._sent else None)
        if self._tunnel is not None:
            self._tunnel.resume_client()

    # --- receiving

    def data_received(self, data: memoryview) -> None:
        if self._tunnel is not None:
            self._tunnel.downstream_data(bytes(data))
            return
        if self._connection.output.holds:
            # An answer before the question: it was meant for nobody.
            self._give_up(ProxyError(ErrorKind.STALE_CONNECTION))
            return
        if self.reader.head is not None:
            self._connection.deadline.start(self._timeouts.read_idle)
        self.reader.feed(data)
        self.body.flush()
        if self.reader.awaited > SPLICE_FROM:
            self._splice()

    def _splice(self) -> None:
        """Relay what has come meanwhile inside the kernel. The last of the content is left to be read, and
        with it the decision how the response ends."""
        connection = self._connection
        if connection.channel is None or connection.output.descriptor < 0:
            return
        most = min(self.reader.awaited - UNSPLICED, MOST)
        moved = self.body.splice(connection.output.descriptor, connection.channel, most)
        if moved:
            self.reader.passed(moved)
            self.body.flush()
        connection.receive_less(bool(moved) and self.reader.awaited > SPLICE_FROM)

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
            self.body.flush()

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
        self._connection.transport.pause_reading()
        self._connection.deadline.stop()

    def _resume(self) -> None:
        if self._finished is not None:
            self._connection.transport.resume_reading()
            self._connection.deadline.start(self._timeouts.read_idle)

    # --- ResponseEvents

    def interim(self, head: ResponseHead) -> None:
        if head.status == 100:
            self._start_pump()
        elif self._request.on_interim is not None:
            self._request.on_interim(head)

    def head_received(self, head: ResponseHead) -> None:
        self._connection.deadline.start(self._timeouts.read_idle)
        response = self._response = self._as_response(head)
        if (on_head := self._request.on_head) is not None:
            self._request.on_head = None
            on_head(response)

    def answer_begun(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            self._resolve(response)

    def _resolve(self, outcome: DownstreamResponse | ProxyError) -> None:
        """Tell the sender, once. The future is let go: what it holds refers to this exchange."""
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if isinstance(outcome, ProxyError):
            answer.set_exception(outcome)
            # Nobody may be waiting any more; an exception that nobody fetches is not worth a warning then.
            answer.exception()
        else:
            answer.set_result(outcome)

    def _as_response(self, head: ResponseHead) -> DownstreamResponse:
        return DownstreamResponse(
            head.status,
            head.reason,
            head.headers,
            head.connection,
            head.content_length,
            head.has_content(self._request.method),
            self.body,
            self.abort,
            self.take_over if head.status == 101 else None,
        )

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        try:
            check_accept(self._request.headers, head.headers)
        except ProxyError as error:
            self._give_up(error)
            return
        self._connection.deadline.stop()
        self._tunnel_rest = rest
        self._connection.transport.pause_reading()
        self._resolve(self._as_response(head))

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
        if self._connection.transport.is_closing():
            # It ended between the 101 and now, when nobody was there to be told.
            self._loop.call_soon(events.downstream_lost)
        self._connection.transport.resume_reading()
        return WireTunnel(self._connection.transport, self.abort)

    def abort(self) -> None:
        """Give the exchange up; the downstream sees its connection end at once."""
        self._give_up(ProxyError(ErrorKind.CLIENT_GONE))

    def _give_up(self, error: ProxyError) -> None:
        self.reader.done = True
        self.body.fail(error)
        self._response = None
        self._resolve(error)
        self._release(False)

    def _release(self, reusable: bool) -> None:
        finished, self._finished = self._finished, None
        if finished is None:
            return
        if self._continue is not None:
            self._continue.cancel()
            self._continue = None
        pump = self._pump
        if pump is not None and not pump.done() and pump is not asyncio.current_task(self._loop):
            pump.cancel()
        # What refers to this exchange goes, so that it is freed now and not by the garbage collector.
        self._request.on_head = self._request.on_interim = None
        self.body.detach()
        self.reader.detach()
        connection = self._connection
        connection.exchange = None
        if reusable:
            # The content may still wait in memory for a slow client; the connection does not wait with it.
            connection.transport.resume_reading()
            connection.idle.put(connection)
        else:
            connection.drop()
        finished()
