"""aiohttp's connection protocol, reading through the engine's ServerConnection instead of aiohttp's parser.

Everything aiohttp does with a request once it is read stays aiohttp's: web.Request, routing, middlewares,
handlers. Leans on these parts of RequestHandler: `_messages`, `_waiter`, `_parser`, `_task_handler`,
`_manager`, `_request_factory`, `_request_handler`, `_handle_request`, `finish_response`.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from downstream_proxy.errors import ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.http1.request_head import RequestHead
from downstream_proxy.http1.server_connection import ServerConnection
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL


class ProxyProtocol(web.RequestHandler):
    """One client connection of the aiohttp backend. Implements ConnectionOwner."""

    __slots__ = ("body", "connection", "forwarder", "head")

    connection: ServerConnection
    head: RequestHead
    body: StreamReader | None

    def __init__(self, server: web.Server, forwarder: Forwarder, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, lingering_time=0)
        # The engine writes the log.
        self.access_logger, self._logging_enabled = None, False
        self._parser = None
        self.forwarder = forwarder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        stream = cast(asyncio.Transport, transport)
        state = self.forwarder.state  # the present one: a reload may have come
        self.connection = ServerConnection(
            self, state.rules, state.connections, stream, asyncio.get_running_loop()
        )
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.connection.data_received(data)

    def eof_received(self) -> None:
        self.connection.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.connection.connection_lost()
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
        server, handler, make_request = self._manager, self._request_handler, self._request_factory
        assert server is not None
        assert handler is not None
        assert make_request is not None
        loop, messages = self._loop, self._messages
        task = asyncio.current_task(loop)
        assert task is not None
        while not self._force_close:
            if not messages:
                self._waiter = loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, content = messages.popleft()
            assert isinstance(message, RawRequestMessage)
            server.requests_count += 1
            request = make_request(message, content, self, StreamWriter(self, loop), task)
            try:
                _, reset = await self._handle_request(request, None, handler)
            except asyncio.CancelledError:
                self.connection.abort()
                raise
            except Exception:
                self.log_exception("Unhandled exception")
                self.connection.abort()
                return
            if reset:
                self.connection.abort()
                return


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
