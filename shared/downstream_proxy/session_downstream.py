"""The portable way to a downstream: aiohttp's ClientSession.request, by its public API only.

Used where wire_downstream cannot be (see downstream_choice). Name lookup, TLS and the guard of addresses are
the same; deadlines and the telling of failures are kept here, as ClientSession's own are not those of the
contract. What cannot be had by public API: upgrades, interim responses, trailers, waiting for the
downstream's 100 (Continue), field values that are no UTF-8, a repeated field's case, an empty query, methods
in lower case, connections that follow a name before they are idle, and reading as strict as ours.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from .client_library import LibraryAnswer, LibraryDownstream, Upload, later
from .connecting import connect_error, make_session
from .errors import ErrorKind, ProxyError
from .http1.response_writer import reset_on_close
from .message import OutgoingRequest

LOOK_SECONDS = 1.0
"""How long content may be waited for before a look at the connection: aiohttp ends one whose content is not
in order, and does not tell the content's reader."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class SessionDownstream(LibraryDownstream):
    """One downstream address behind the Downstream seam."""

    name = "aiohttp ClientSession"

    async def open(self) -> None:
        self._session = make_session(self.settings, [_telling()])

    async def close(self) -> None:
        await self._session.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> LibraryAnswer:
        if request.method != request.method.upper():
            # aiohttp would make another method of it; methods are case-sensitive (RFC 9110, section 9.1).
            raise ProxyError(ErrorKind.METHOD_NOT_IMPLEMENTED)
        if self._session.closed:
            # A retry behind the end of its configuration; aiohttp has a RuntimeError for that.
            raise ProxyError(ErrorKind.UNREACHABLE)
        progress = _Progress(request, self.timeouts.head)
        limit = self.settings.limits.max_response_head
        try:
            async with progress.limit:
                response = await self._session.request(
                    request.method.decode(),
                    URL(self.url(request), encoded=True),
                    headers=self.one_case_fields(request),
                    data=_Content(upload, progress, self.timeouts.read_idle) if upload else None,
                    allow_redirects=False,
                    server_hostname=self.settings.tls.server_name,
                    max_line_size=limit,
                    max_field_size=limit,
                    trace_request_ctx=progress,
                    middlewares=(progress.once,),
                )
        except TimeoutError:
            raise ProxyError(progress.late) from None
        except aiohttp.ClientResponseError as error:
            raise ProxyError(ErrorKind.MALFORMED_RESPONSE) from error
        finally:
            progress.over = True
        reason, headers = self.phrase(response.reason), list(response.raw_headers)
        if response.status == 101 or _CONTROL.search(reason):
            # Nobody asked for another protocol, and a phrase is relayed as it is.
            response.close()
            raise ProxyError(ErrorKind.MALFORMED_RESPONSE)
        return LibraryAnswer(response.status, reason, headers, self._content(response), later(response.close))

    async def _content(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while data := await self._piece(response):
            yield data

    async def _piece(self, response: aiohttp.ClientResponse) -> bytes:
        loop = asyncio.get_running_loop()
        last = loop.time() + self.timeouts.read_idle
        while True:
            try:
                async with asyncio.timeout_at(min(last, loop.time() + LOOK_SECONDS)):
                    return await response.content.readany()
            except TimeoutError:
                if response.connection is not None and response.connection.transport is None:
                    raise ProxyError(ErrorKind.MALFORMED_RESPONSE_BODY) from None
                if loop.time() >= last:
                    raise ProxyError(ErrorKind.READ_IDLE_TIMEOUT) from None
            except aiohttp.ClientError as error:
                raise ProxyError(ErrorKind.RESPONSE_INCOMPLETE) from error

    def fields(self, request: OutgoingRequest) -> list[tuple[str, str]]:
        """As text that aiohttp, which writes UTF-8, turns into the same bytes where it can."""
        pairs = [(name.decode("ascii"), _text(value)) for name, value in request.headers]
        if request.content_length is not None:
            pairs.append(("Content-Length", str(request.content_length)))
        return pairs


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Progress:
    """How far a request has come until its answer's head: which deadline runs, and what an end means.

    late: what it means when `limit` passes. over: the head is there, or there will be none. head: seconds.
    """

    def __init__(self, request: OutgoingRequest, head: float) -> None:
        self.request = request
        self.limit = asyncio.timeout(None)
        self.late = ErrorKind.HEAD_TIMEOUT
        self.reused = False
        self.sent = request.body is None
        self.over = False
        self.connecting_since = 0.0
        self._head = head

    async def once(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Between aiohttp's attempt and its decision to try another: what it does not know as a lost
        connection it does not repeat, and whether a request may be sent again is ours to decide."""
        try:
            return await send(request)
        except aiohttp.ClientResponseError:
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, TimeoutError) as error:
            raise connect_error(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ProxyError(self._broken) from error

    @property
    def _broken(self) -> ErrorKind:
        """What it means that the connection ended."""
        if self.reused:
            return ErrorKind.STALE_CONNECTION
        return ErrorKind.CLOSED_BEFORE_HEAD if self.sent else ErrorKind.REQUEST_NOT_TAKEN

    def head_written(self) -> None:
        if self.sent:
            self._within(self._head, ErrorKind.HEAD_TIMEOUT)

    def body_sent(self) -> None:
        self.sent = True
        self.head_written()

    def writing(self, seconds: float | None) -> None:
        self._within(seconds, ErrorKind.WRITE_TIMEOUT)

    def _within(self, seconds: float | None, late: ErrorKind) -> None:
        if self.over or self.limit.expired():
            return
        self.late = late
        when = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self.limit.reschedule(when)


class _Content(aiohttp.Payload):
    """A request's body, sent piece by piece as the client sends it."""

    def __init__(self, upload: Upload, progress: _Progress, patience: float) -> None:
        super().__init__(upload)
        self._upload = upload
        self._progress = progress
        self._patience = patience

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a body that is streamed is no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        # The downstream may refuse by the head alone, so that does not wait for the first of the body.
        writer.send_headers()
        # Not every writer has one to show, and by the time that aiohttp gives up it has let go of it.
        transport: asyncio.Transport | None = getattr(writer, "transport", None)
        try:
            while data := await self._upload.read():
                self._progress.writing(self._patience)
                await writer.write(data)
                # aiohttp waits for room once in 64 KiB: the last piece would count as sent before it is.
                await writer.drain()
                self._progress.writing(None)
        except BaseException:
            # aiohttp's close would stand behind what a downstream that does not read has no room for.
            if transport is not None:
                reset_on_close(transport)
                transport.abort()
            raise
        self._progress.body_sent()


def _telling() -> aiohttp.TraceConfig:
    """Tells a request's _Progress what becomes of it."""
    config = aiohttp.TraceConfig()

    def told(context: SimpleNamespace) -> Any:
        return context.trace_request_ctx

    async def connecting(_: Any, context: SimpleNamespace, __: Any) -> None:
        progress = told(context)
        progress.reused, progress.connecting_since = False, time.perf_counter()

    async def connected(_: Any, context: SimpleNamespace, __: Any) -> None:
        progress = told(context)
        progress.request.connect += time.perf_counter() - progress.connecting_since

    async def reused(_: Any, context: SimpleNamespace, __: Any) -> None:
        told(context).reused = True

    async def written(_: Any, context: SimpleNamespace, __: Any) -> None:
        told(context).head_written()

    config.on_connection_create_start.append(connecting)
    config.on_connection_create_end.append(connected)
    config.on_connection_reuseconn.append(reused)
    config.on_request_headers_sent.append(written)
    return config
