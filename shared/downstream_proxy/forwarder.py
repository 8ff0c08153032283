"""The walk of one request, the same in both backends. The file to read first.

1. The adapter translates the framework's request into an IncomingRequest.
2. `Forwarder.forward` finds the route by the raw path, takes a place for the exchange, or waits in the
   bounded queue, or is refused.
3. Target and header fields of the outgoing request are made from the incoming bytes.
4. `Downstream.send` sends it; a failure in which nothing can have been processed may be retried.
5. What belongs to the other connection is stripped from the response's fields.
6. The adapter hands a sink to `Forwarding.relay`, which writes head and content with back-pressure.
7. An error before the head becomes a problem document; after the head the connection is broken off.
8. Leaving the `async with`, on whatever way, gives the place back, counts the request and logs it.

Knows no framework and no client library.
"""

from __future__ import annotations

import logging
import time
from types import TracebackType

from .access_log import Exchange
from .answer import Answer, write
from .attempts import send
from .delivery import deliver, relay_rest
from .downstream import DownstreamResponse
from .downstream_choice import choose_downstream
from .errors import LEFT, ErrorKind, ProxyError, meaning
from .extras import Extras
from .http1.response_body import ResponseBody
from .http1.response_head import ResponseHead
from .http1.response_writer import ResponseWriter, interim_head
from .message import HeaderPairs, IncomingRequest, OutgoingRequest, ResponseSink
from .problem import problem
from .route import DownstreamFactory, Route
from .settings import Settings
from .state import ProcessState, ProxyState
from .succession import Succession
from .websocket_handshake import check_handshake

logger = logging.getLogger("downstream_proxy")


class Forwarder:
    """Forwards requests by one set of settings after the other. Open it in the serving loop, close it when
    the last request is done.

    make_downstream: another client library behind the Downstream seam; None for ours.
    """

    def __init__(self, settings: Settings, make_downstream: DownstreamFactory | None = None) -> None:
        self._make_downstream = make_downstream or choose_downstream()
        self.process = ProcessState()
        self.state = ProxyState(settings, self._make_downstream, self.process)
        self._succession = Succession()

    async def open(self) -> None:
        await self.state.open()
        self.state.show()

    async def reload(self, settings: Settings) -> None:
        """Forward by `settings` what comes from now on. What is under way ends by those it began with.

        Whatever this raises, nothing has changed then.
        """
        state = ProxyState(settings, self._make_downstream, self.process)
        try:
            await state.open()
        except BaseException:
            await state.close()
            raise
        state.show()
        before, self.state = self.state, state
        self._succession.retire(before)

    async def close(self) -> None:
        await self._succession.close()
        await self.state.close()
        await self.process.close()

    def forward(self, request: IncomingRequest, writer: ResponseWriter | None = None) -> Forwarding:
        """`async with forwarder.forward(request) as forwarding: await forwarding.relay(sink)`.

        writer: the sink, when it is known already; then an answer that is streamed is relayed as it is
        received, without a copy.
        """
        return Forwarding(self.state, request, writer)


class Forwarding:
    """One request on its way. Entering brings the answer's head, the downstream's or a problem document's."""

    __slots__ = (
        "_answer",
        "_began",
        "_body",
        "_error",
        "_extras",
        "_head_at",
        "_outgoing",
        "_response",
        "_route",
        "_size",
        "_started",
        "_state",
        "_writer",
        "headers",
        "length",
        "reason",
        "request",
        "request_id",
        "status",
    )

    def __init__(
        self, state: ProxyState, request: IncomingRequest, writer: ResponseWriter | None = None
    ) -> None:
        self._state = state
        self._writer = writer if writer is not None and writer.output.relays else None
        self._body: ResponseBody | None = None
        self._route: Route | None = None
        self._response: DownstreamResponse | None = None
        self._error: ProxyError | None = None
        self._answer: Answer | None = None
        self._began = time.perf_counter()
        self._head_at = 0.0
        self._outgoing: OutgoingRequest | None = None
        self._extras: Extras | None = None
        self._started = False
        self._size = 0
        self.request = request
        self.request_id = b""
        self.status = 0
        self.reason: bytes | None = None
        self.headers: HeaderPairs = []
        self.length: int | None = None

    @property
    def error(self) -> ProxyError | None:
        return self._error

    @property
    def upgraded(self) -> DownstreamResponse | None:
        """The downstream's 101, when that is the answer; then `relay` is not to be called."""
        return self._response if self.status == 101 else None

    @property
    def max_websocket_message(self) -> int | None:
        """Bytes; None for any size."""
        return self._state.settings.limits.max_websocket_message

    async def __aenter__(self) -> Forwarding:
        state = self._state
        state.inflight += 1
        try:
            target = self.request.target
            if state.admin.answers(target):
                # Before any limit: a full proxy still says that it is alive, and how full it is.
                self._answer = state.admin.answer(self.request)
                return self
            if state.inflight > state.max_inflight:
                raise ProxyError(ErrorKind.OVERLOADED)
            prefix, self._route = state.routes.find(target)
            if self._route.extras is not None:
                self._extras = self._route.extras.begin(self.request)
                await self._extras.admit()
            outgoing = self._outgoing = self._make_outgoing(self._route, prefix)
            if self._extras is not None:
                self._extras.sending(outgoing)
            self._response = await send(self._route, outgoing, self._began)
            if not self._head_at:
                self._head_at = time.perf_counter()
            if self._body is None:
                self._take_head(self._route, self._response)
        except ProxyError as error:
            self._fail(error)
        except Exception:
            logger.exception("a fault of the proxy")
            self._fail(ProxyError(ErrorKind.INTERNAL))
        except BaseException as error:
            # Cancelled: the client left before there was an answer.
            self._error = meaning(error)
            self._leave()
            raise
        return self

    def _make_outgoing(self, route: Route, prefix: bytes) -> OutgoingRequest:
        """Step 3: what the downstream will see."""
        request = self.request
        body = request.body
        upgrade = b""
        if request.upgrade == b"websocket":
            check_handshake(request, route.websocket_origins)
            upgrade = request.upgrade
        if body is not None:
            # A body that broke with its first bytes is answered before the downstream hears of it.
            exception = getattr(body, "exception", None)
            error = exception() if exception is not None else None
            if error is not None:
                raise error
        headers, self.request_id = route.request_fields(request)
        return OutgoingRequest(
            request.method,
            route.target(request.target, prefix),
            headers,
            body,
            request.content_length,
            request.expects_continue and body is not None,
            upgrade,
            request.send_continue,
            self._relay_at_once if self._writer is not None and route.delivery == "stream" else None,
            self._relay_interim if request.minor else None,
        )

    def _take_head(self, route: Route, response: DownstreamResponse) -> None:
        """Step 5: the head as the client will see it."""
        self.status = response.status
        self.reason = response.reason
        self.length = response.length
        told = None if response.status == 204 else response.length
        self.headers = route.response_fields(response.headers, response.connection, told, self.request_id)
        if self._extras is not None and self._outgoing is not None:
            self._extras.answered(self.headers, self._outgoing, self._began)

    def _relay_interim(self, head: ResponseHead) -> None:
        """A 1xx crosses the proxy as it comes, but not to a client that does not know it (RFC 9110, section
        15.2)."""
        assert self._route is not None
        fields = self._route.response_fields(head.headers, head.connection, None, b"")
        self.request.send_interim(interim_head(head.status, head.reason, fields))

    def _relay_at_once(self, response: DownstreamResponse) -> None:
        """Steps 5 and 6 in the moment the head is there: content goes from the buffer that it is received in
        to the client."""
        writer, route = self._writer, self._route
        assert writer is not None
        assert route is not None
        self._head_at = time.perf_counter()
        self._take_head(route, response)
        self._body = response.body
        self._started = True
        writer.begin(self.status, self.reason, self.headers, response.length)
        response.body.relay_to(writer)
        writer.output.on_writable = response.body.writable

    def _fail(self, error: ProxyError) -> None:
        """There is no answer of the downstream's. One whose head was not in order has not left yet."""
        self._error = error
        self._response = self._body = None
        self._head_at = 0.0
        self._started = False

    async def relay(self, sink: ResponseSink) -> None:
        """Steps 6 and 7: write the answer. The sink's own errors mean that the client has left, and pass
        through."""
        if self._response is not None and self._route is not None:
            try:
                if self._body is not None:
                    if not self._body.complete:
                        await relay_rest(self, self._body)
                else:
                    await deliver(self, self._response, self._route, sink)
                return
            except ProxyError as error:
                self._response.abort()
                self._error = error
                if self._started:
                    sink.abort()
                    return
        if self._error is not None:
            self._answer = problem(
                self._error, self.request_id, self._extras.fields if self._extras is not None else ()
            )
        assert self._answer is not None
        self.status = self._answer[0]
        self.started()
        await write(self._answer, self.request.method, sink, self.count)

    def started(self) -> None:
        """The head is on its way: from here on an error can only break the response off."""
        self._started = True

    def count(self, size: int) -> None:
        self._size += size

    @property
    def deadline(self) -> float | None:
        """When the total time-out ends, on time.perf_counter's clock; None without one."""
        if self._route is None or self._route.timeouts.total is None:
            return None
        return self._began + self._route.timeouts.total

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None and kind is not None:
            self._response.abort()
        # Who leaves the proxy's own answer, such as a stream of events, is missed by nobody.
        if (
            error is not None
            and self._error is None
            and (self._answer is None or isinstance(error, Exception))
        ):
            self._error = meaning(error)
        self._leave()

    def _leave(self) -> None:
        """Step 8: on every way out."""
        state, route, error = self._state, self._route, self._error
        if self._body is not None:
            assert self._writer is not None
            self._writer.output.on_writable = None
            self._size += self._body.relayed
        state.inflight -= 1
        seconds = time.perf_counter() - self._began
        status = self.status
        if error is not None and (not self._started or error.kind in LEFT):
            status = error.entry.status
        metrics = route.metrics if route is not None else state.unrouted
        outgoing = self._outgoing
        waits = outgoing.waits if outgoing is not None else None
        first_byte = -1.0
        if self._head_at:
            first_byte = self._head_at - self._began
            if waits is not None:
                first_byte -= waits.total
        metrics.answered(self.request.method, status, seconds, first_byte, self._size)
        body = self.request.body
        if body is not None:
            metrics.bytes_in += body.total_bytes
        if error is not None:
            metrics.failed(error.kind)
            state.process.recent_errors.note(error, status, self.request, route, self.request_id)
        if state.access_log.enabled or self._extras is not None:
            exchange = Exchange(
                self.request,
                status,
                seconds,
                self._size,
                first_byte,
                waits,
                route.name if route is not None else "",
                (outgoing.address or route.url) if route is not None and outgoing is not None else "",
                self.request_id,
                error,
            )
            state.access_log.log(exchange)
            if self._extras is not None:
                self._extras.ended(exchange)
