"""uvicorn's connection protocol, reading through the engine's ServerConnection instead of uvicorn's parsers.

Give it to uvicorn as `http=`: `uvicorn --http fastapi_impl.protocol:ProxyProtocol --factory
fastapi_impl:create_app`. It speaks ASGI to any application; what the proxy's own handler needs beyond ASGI it
finds in the scope's extension `downstream_proxy`. Leans on uvicorn's Config (loaded_app, root_path) and
ServerState (connections, tasks).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import StreamReader
from downstream_proxy.answering import Answerer
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.http1.request_head import RequestHead
from downstream_proxy.http1.server_connection import ServerConnection
from downstream_proxy.problem import problem
from starlette.types import Message, Scope
from uvicorn import Config
from uvicorn.server import ServerState

EXTENSION = "downstream_proxy"

logger = logging.getLogger("downstream_proxy")


class ProxyProtocol(asyncio.Protocol):
    """One client connection of the FastAPI backend. Implements ConnectionOwner.

    app_state: what the application's lifespan yielded; `forwarder` in it has the rules.
    """

    connection: ServerConnection

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._app = config.loaded_app
        self._root_path = config.root_path
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self.forwarder: Forwarder = app_state["forwarder"]
        # Anything around the application would be passed over, so only the application itself counts.
        self._direct = app_state.get("only_forwards") is self._app
        self._cycle: Cycle | None = None
        self._answerer: Answerer | None = None
        self._answering: asyncio.Task[None] | None = None
        self._server: tuple[str, int] | None = None
        self._client: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        stream = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        state = self.forwarder.state  # the present one: a reload may have come
        self.connection = ServerConnection(
            self, state.rules, state.connections, stream, self._loop, self._direct
        )
        self._server = _address(transport.get_extra_info("sockname"))
        self._client = _address(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        self.connection.data_received(data)

    def eof_received(self) -> None:
        self.connection.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server_state.connections.discard(self)
        self.connection.connection_lost()
        if self._answerer is not None:
            self._answerer.connection_lost()

    def pause_writing(self) -> None:
        self.connection.writing_paused()

    def resume_writing(self) -> None:
        self.connection.writing_resumed()

    def shutdown(self) -> None:
        """uvicorn's word for: end with the present response."""
        self.connection.drain(0.0)

    # --- ConnectionOwner

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        if self._direct:
            self._server_state.total_requests += 1
            if self._answerer is None:
                self._answerer = Answerer(self.forwarder, self.connection, self._loop)
                # Not one of the server's tasks, whose ends it awaits at its own: this one waits for requests.
                self._answering = self._loop.create_task(self._answerer.run())
            self._answerer.request_received(head, body)
            return
        cycle = self._cycle = Cycle(self, head, body)
        task = cycle.task = self._loop.create_task(cycle.run(self._app, self._scope(head, cycle)))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def client_gone(self, error: ProxyError | None = None) -> None:
        if self._answering is not None:
            self._answering.cancel(error)
        elif self._cycle is not None:
            self._cycle.client_gone(error)

    def request_done(self, keep_alive: bool) -> None:
        self._cycle = None
        self._server_state.total_requests += 1
        self.connection.response_done(keep_alive)

    def _scope(self, head: RequestHead, cycle: Cycle) -> Scope:
        raw_path, _, query = head.target.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1" if head.minor else "1.0",
            "server": self._server,
            "client": self._client,
            "scheme": self.connection.scheme.decode(),
            "method": head.method.decode("ascii"),
            "root_path": self._root_path,
            "path": self._root_path + (unquote(path) if "%" in path else path),
            "raw_path": self._root_path.encode() + raw_path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in head.headers],
            "state": self._app_state.copy(),
            "extensions": {EXTENSION: cycle},
        }


class Cycle:
    """One request and its response, as ASGI sees them; the scope's extension for those who need more.

    Cancels its task when the client leaves only if the application asked for it: ASGI promises
    http.disconnect.
    """

    def __init__(self, protocol: ProxyProtocol, head: RequestHead, body: StreamReader | None) -> None:
        connection = protocol.connection
        self.protocol = protocol
        self.connection = connection
        self.head = head
        self.body = body
        self.task: asyncio.Task[None] | None = None
        self.cancel_when_gone = False
        self.gone = False
        self.writer = connection.writer(head)
        self._told_no_body = False
        self._disconnected: asyncio.Event | None = None

    async def run(self, app: Any, scope: Scope) -> None:
        writer = self.writer
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self.gone:
                writer.abort()
                raise
        except Exception:
            logger.exception("the application failed")
            if not writer.started:
                await self._send_error()
        if self.gone:
            self.connection.close()
            return
        if not writer.started:
            await self._send_error()
        elif not writer.ended:
            writer.abort()
        self.protocol.request_done(writer.keep_alive)
        await self.connection.lingered()

    async def _send_error(self) -> None:
        status, headers, content = problem(ProxyError(ErrorKind.INTERNAL))
        await self.writer.start(status, None, headers, len(content))
        await self.writer.write(b"" if self.head.method == b"HEAD" else content)
        await self.writer.end()

    def client_gone(self, error: ProxyError | None = None) -> None:
        self.gone = True
        if self._disconnected is not None:
            self._disconnected.set()
        if self.cancel_when_gone and self.task is not None:
            self.task.cancel(error)

    async def receive(self) -> Message:
        """ASGI's receive: the body piece by piece, then http.disconnect when the client leaves."""
        body = self.body
        if body is not None and not body.at_eof():
            if self.head.expects_continue:
                self.connection.send_continue()
            try:
                data = await body.readany()
            except ProxyError:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": data, "more_body": not body.at_eof()}
        if body is None and not self._told_no_body:
            self._told_no_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if not self.gone and not self.writer.ended:
            self._disconnected = asyncio.Event()
            await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's send. A response start may carry `reason` and `length` beyond the specification."""
        if self.gone:
            return
        writer = self.writer
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", ()) if pair[0].lower() not in _FRAMING]
            length = message.get("length", _content_length(headers))
            await writer.start(message["status"], message.get("reason"), headers, length)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            if body and self.head.method != b"HEAD":
                await writer.write(body)
            if not message.get("more_body", False):
                await writer.end()
            elif not body:
                writer.flush()


_FRAMING = frozenset({b"connection", b"transfer-encoding", b"keep-alive"})


def _content_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    return next((int(value) for name, value in headers if name.lower() == b"content-length"), None)


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
