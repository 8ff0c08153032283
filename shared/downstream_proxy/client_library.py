"""From a client library's public API to the Downstream Protocol: what each library would otherwise repeat.

A library gives one coroutine, `exchange`, which sends a request and returns a LibraryAnswer, and says what
its exceptions mean. Reading with back-pressure, giving up, and telling a failure before the head from one
within the content are done here. Knows no library, and repairs nothing of what one does to a message.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from .connecting import Address
from .downstream import DownstreamResponse
from .errors import ErrorKind, ProxyError
from .http1.response_body import ResponseBody
from .message import Body, HeaderPairs, OutgoingRequest
from .settings import DownstreamSettings

logger = logging.getLogger("downstream_proxy")

Errors = Mapping[type[BaseException], ErrorKind]

_BREAK = re.compile(rb"[\r\n\0]")

# What a kind of the answer's head becomes once the head is there.
_IN_BODY = {
    ErrorKind.HEAD_TIMEOUT: ErrorKind.READ_IDLE_TIMEOUT,
    ErrorKind.CLOSED_BEFORE_HEAD: ErrorKind.RESPONSE_INCOMPLETE,
    ErrorKind.MALFORMED_RESPONSE: ErrorKind.MALFORMED_RESPONSE_BODY,
}


@dataclass(slots=True)
class LibraryAnswer:
    """What a library gave: the head, and the content as it comes.

    close: called once, at the end or to give up; it must drop the connection when content is left.
    """

    status: int
    reason: bytes
    headers: HeaderPairs
    chunks: AsyncIterator[bytes]
    close: Callable[[], Awaitable[object]]


def later(call: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """A plain function where a coroutine function is wanted."""

    async def run() -> object:
        return call()

    return run


class Upload:
    """A request's body for a library that reads an async iterator; remembers why the client's body broke
    off.
    """

    def __init__(self, request: OutgoingRequest, body: Body) -> None:
        self._request = request
        self._body = body
        self.length = request.content_length
        self.error: ProxyError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises ProxyError when the client's body is broken."""
        if self._request.expects_continue:
            # No public API tells when the downstream asks for the body, so it is asked for at once.
            self._request.expects_continue = False
            self._request.send_continue()
        try:
            return await self._body.readany()
        except ProxyError as error:
            self.error = error
            raise


class LibraryDownstream:
    """One downstream address, reached through a client library. `errors`: first match wins, in the table's
    order, by type only."""

    name: str
    errors: ClassVar[Errors] = {}

    def __init__(self, settings: DownstreamSettings, address: Address) -> None:
        self.settings = settings
        self.timeouts = settings.timeouts
        self.base = f"{address.url.scheme}://{address.authority.decode()}"
        self._pumps: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make the library's client."""

    async def close(self) -> None:
        """Close the library's client."""

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> LibraryAnswer:
        """Send the request; the answer's head. Raises what the library raises."""
        raise NotImplementedError

    def kind(self, error: Exception) -> ErrorKind | None:
        """What an exception of the library means before the answer's head; None for an unknown one."""
        return next((kind for known, kind in self.errors.items() if isinstance(error, known)), None)

    def url(self, request: OutgoingRequest) -> str:
        return self.base + request.target.decode("latin-1")

    def fields(self, request: OutgoingRequest) -> list[tuple[str, str]]:
        """The header fields as text, with the length of a body that has one."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        if request.content_length is not None:
            pairs.append(("Content-Length", str(request.content_length)))
        return pairs

    def one_case_fields(self, request: OutgoingRequest) -> list[tuple[str, str]]:
        """The same, repeated fields in the case of the first."""
        names: dict[str, str] = {}
        return [(names.setdefault(name.lower(), name), value) for name, value in self.fields(request)]

    @staticmethod
    def phrase(reason: str | None) -> bytes:
        """A library's reason phrase as bytes."""
        return encoded(reason or "")

    async def send(self, request: OutgoingRequest, finished: Callable[[], None]) -> DownstreamResponse:
        if request.upgrade:
            finished()
            raise ProxyError(ErrorKind.UPGRADE_FAILED, "This client library cannot take a connection over")
        upload = Upload(request, request.body) if request.body is not None else None
        try:
            answer = await self.exchange(request, upload)
        except BaseException as error:
            finished()
            if isinstance(error, Exception):
                raise self._meaning(error, upload) from error
            raise
        if any(_BREAK.search(part) for pair in answer.headers for part in pair):
            # Some libraries join repeated fields with line ends; relayed, they would be lines of their own.
            await answer.close()
            finished()
            raise ProxyError(ErrorKind.MALFORMED_RESPONSE)
        return self._response(request, answer, upload, finished)

    def _meaning(self, error: Exception, upload: Upload | None, in_body: bool = False) -> Exception:
        """The error in the contract's terms; one that the file's table does not know stays what it is."""
        if upload is not None and upload.error is not None:
            return upload.error
        kind = self.kind(error)
        if kind is None:
            return error
        return ProxyError(_IN_BODY.get(kind, kind) if in_body else kind)

    def _response(
        self,
        request: OutgoingRequest,
        answer: LibraryAnswer,
        upload: Upload | None,
        finished: Callable[[], None],
    ) -> DownstreamResponse:
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        room.set()
        body = ResponseBody(loop, room.clear, room.set)
        pump = loop.create_task(self._pump(answer, upload, body, room, finished))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

        def abort() -> None:
            # Not at once: a task that is cancelled before its first step never gets to its `finally`.
            loop.call_soon(pump.cancel)

        named = [value for name, value in answer.headers if name.lower() == b"connection"]
        return DownstreamResponse(
            answer.status,
            answer.reason,
            answer.headers,
            tuple(part.strip().lower() for value in named for part in value.split(b",")),
            _length(answer.headers),
            request.method != b"HEAD" and answer.status not in (204, 304),
            body,
            abort,
        )

    async def _pump(
        self,
        answer: LibraryAnswer,
        upload: Upload | None,
        body: ResponseBody,
        room: asyncio.Event,
        finished: Callable[[], None],
    ) -> None:
        try:
            async for chunk in answer.chunks:
                if chunk:
                    body.feed(chunk)
                await room.wait()
            body.finish()
        except asyncio.CancelledError:
            body.fail(ProxyError(ErrorKind.CLIENT_GONE))
        except Exception as error:
            meaning = self._meaning(error, upload, in_body=True)
            if not isinstance(meaning, ProxyError):
                logger.exception("%s raised what its table does not know", self.name)
                meaning = ProxyError(ErrorKind.INTERNAL)
            body.fail(meaning)
        finally:
            try:
                await answer.close()
            except Exception as error:
                # The exchange is over in any case.
                logger.debug("%s: closing an answer: %r", self.name, error)
            finally:
                finished()


def _length(headers: HeaderPairs) -> int | None:
    """The declared length of the content (RFC 9112, section 6.3): none beside a transfer coding."""
    lowered = [(name.lower(), value) for name, value in headers]
    if any(name == b"transfer-encoding" for name, _ in lowered):
        return None
    return next(
        (int(value) for name, value in lowered if name == b"content-length" and value.isdigit()), None
    )


def encoded(text: str) -> bytes:
    """As HTTP/1.1 libraries decode fields, or as those that decode them as UTF-8 do."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
