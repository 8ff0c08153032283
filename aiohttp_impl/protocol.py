"""aiohttp's connection protocol, reading through the engine's ServerConnection instead of aiohttp's parser.

Everything aiohttp does with a request once it is read stays aiohttp's: web.Request, routing, middlewares,
handlers. What it leans on of RequestHandler beyond the public API is in `PARTS` and `METHODS`;
`unsupported` looks for each, and an aiohttp without one is refused at the start. RequestHandler itself in its
place would be another contract: heads read by aiohttp, limits and refusals of its own, no WebSocket.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, cast

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from downstream_proxy.answering import Answerer
from downstream_proxy.errors import ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.http1.request_head import RequestHead
from downstream_proxy.http1.server_connection import ServerConnection
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

PARTS = (
    *("_force_close", "_keepalive_handle", "_logging_enabled", "_loop", "_manager", "_messages", "_parser"),
    *("_process_keepalive", "_request_count", "_request_factory", "_request_handler", "_task_handler"),
    *("_waiter", "access_logger", "log_exception"),
)
METHODS = {
    "_handle_request": ["self", "request", "start_time", "request_handler"],
    "finish_response": ["self", "request", "resp", "start_time"],
}


def unsupported() -> str | None:
    """Why the installed aiohttp cannot carry this backend, in one line; None when it can."""
    handler = web.RequestHandler
    missing = [name for name in PARTS if not hasattr(handler, name)]
    missing += (
        name
        for name, parameters in METHODS.items()
        if list(inspect.signature(getattr(handler, name, unsupported)).parameters) != parameters
    )
    if not missing:
        return None
    return (
        f"aiohttp {aiohttp.__version__} has no RequestHandler as the aiohttp backend needs it "
        f"({', '.join(missing)}); install the version that constraints.txt names, or use --backend fastapi"
    )


class ProxyProtocol(web.RequestHandler):
    """One client connection of the aiohttp backend. Implements ConnectionOwner.

    direct: the application does nothing but forward, so its requests need no web.Request.
    """

    __slots__ = ("answerer", "body", "connection", "direct", "forwarder", "head")

    answerer: Answerer | None
    connection: ServerConnection
    head: RequestHead
    body: StreamReader | None

    def __init__(
        self, server: web.Server, forwarder: Forwarder, loop: asyncio.AbstractEventLoop, direct: bool = False
    ) -> None:
        super().__init__(server, loop=loop, lingering_time=0)
        # The engine writes the log.
        self.access_logger, self._logging_enabled = None, False
        self._parser = None
        self.forwarder = forwarder
        self.direct = direct

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        stream = cast(asyncio.Transport, transport)
        state = self.forwarder.state  # the present one: a reload may have come
        self.connection = ServerConnection(
            self, state.rules, state.connections, stream, self._loop, self.direct
        )
        self.answerer = Answerer(self.forwarder, self.connection, self._loop) if self.direct else None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.connection.data_received(data)

    def eof_received(self) -> None:
        self.connection.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.connection.connection_lost()
        if self.answerer is not None:
            self.answerer.connection_lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.connection.writing_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.connection.writing_resumed()

    def _process_keepalive(self) -> None:
        """Idle connections are ended by the engine."""
        self._keepalive_handle = None

    # --- ConnectionOwner

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        if self.answerer is not None:
            self.answerer.request_received(head, body)
            return
        self.head, self.body = head, body
        self._request_count += 1
        self._messages.append((_message(head), body or EMPTY_PAYLOAD))
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def client_gone(self, error: ProxyError | None = None) -> None:
        if self._task_handler is not None:
            self._task_handler.cancel(error)

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> tuple[Any, bool]:
        response, reset = await super().finish_response(request, resp, start_time)
        self.connection.response_done(bool(response.keep_alive) and not reset)
        await self.connection.lingered()
        return response, reset

    async def start(self) -> None:
        """Answer the connection's requests one after the other, all in the connection's one task.

        aiohttp makes a further task for each request; without it a context variable that a middleware sets
        stays set for the connection's next request.
        """
        server = self._manager
        if server is None:
            return  # closed before it began
        if self.answerer is not None:
            await self.answerer.run()
            return
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, content = self._messages.popleft()
            server.requests_count += 1
            try:
                if not await self._answer_with_application(message, content):
                    return
            except asyncio.CancelledError:
                self.connection.abort()
                raise
            except ConnectionError:
                # The client has left, and the engine knows.
                self.connection.abort()
                return
            except Exception:
                self.log_exception("Unhandled exception")
                self.connection.abort()
                return

    async def _answer_with_application(self, message: Any, content: StreamReader) -> bool:
        """Answer a request through routing, middlewares and handler; False when the
        connection is of no more use."""
        handler, make_request = self._request_handler, self._request_factory
        assert handler is not None
        assert make_request is not None
        task = asyncio.current_task(self._loop)
        assert task is not None
        request = make_request(message, content, self, StreamWriter(self, self._loop), task)
        _, reset = await self._handle_request(request, None, handler)
        if reset:
            self.connection.abort()
        return not reset


def _message(head: RequestHead) -> RawRequestMessage:
    """The head as aiohttp hands it to web.Request."""
    path = head.target.decode("ascii")
    plain, _, query = path.partition("?")
    return RawRequestMessage(
        head.method.decode("ascii"),
        path,
        HttpVersion11 if head.minor else HttpVersion10,
        CIMultiDictProxy(
            CIMultiDict(
                (name.decode("ascii"), value.decode("utf-8", "surrogateescape"))
                for name, value in head.headers
            )
        ),
        tuple(head.headers),
        not head.keep_alive,
        None,
        bool(head.upgrade),
        head.chunked,
        URL.build(path=plain if plain[:1] == "/" else f"/{plain}", query_string=query, encoded=True),
    )
