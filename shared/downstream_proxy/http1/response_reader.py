"""One response as it arrives from the downstream: head, then content by exactly one framing.

Told of bytes and of the connection's end; tells of the head, the content and the finish. Knows no transport
and no client library.
"""

from __future__ import annotations

from typing import Protocol

from ..errors import ErrorKind, ProxyError
from .chunked import ChunkedDecoder, ChunkedError
from .output import Piece
from .response_body import ResponseBody
from .response_head import ResponseHead, parse_response_head

_LIKELY_HEAD = 2048
"""Bytes of a first read that are looked through for a head before the rest is."""

MAX_INTERIM = 32
"""1xx responses before a final one; more are a flood (RFC 9110, section 15.2 sets no bound)."""


class ResponseEvents(Protocol):
    """Who wants to know."""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx other than 101 came."""

    def head_received(self, head: ResponseHead) -> None:
        """The final head came; content goes to the body from here on."""

    def answer_begun(self) -> None:
        """What came with the final head was in order too."""

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """The 101 came; the connection's bytes are no longer HTTP. `rest` are the first of them."""

    def finished(self, reusable: bool) -> None:
        """The response is whole. `reusable`: as far as the response says, the connection may serve again."""

    def failed(self, error: ProxyError) -> None:
        """The response will never be whole."""


class _Nobody:
    """Does not want to know. Implements ResponseEvents."""

    def interim(self, head: ResponseHead) -> None: ...
    def head_received(self, head: ResponseHead) -> None: ...
    def answer_begun(self) -> None: ...
    def upgraded(self, head: ResponseHead, rest: bytes) -> None: ...
    def finished(self, reusable: bool) -> None: ...
    def failed(self, error: ProxyError) -> None: ...


_NOBODY = _Nobody()


class ResponseReader:
    """Reads one response to a request of `method`."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_events",
        "_interims",
        "_left",
        "_max_head",
        "_method",
        "_upgrade",
        "body",
        "done",
        "head",
    )

    def __init__(
        self, events: ResponseEvents, body: ResponseBody, method: bytes, upgrade: bytes, max_head: int
    ) -> None:
        self._events = events
        self._method = method
        self._upgrade = upgrade
        self._max_head = max_head
        self._buffer = b""
        self._interims = 0
        self._left: int | None = 0
        self._decoder: ChunkedDecoder | None = None
        self.body = body
        self.head: ResponseHead | None = None
        self.done = False

    @property
    def untouched(self) -> bool:
        """Not one byte of a response has come."""
        return self.head is None and not self._buffer and not self._interims

    def feed(self, data: Piece) -> None:
        """Take what was received; a memoryview is good until this returns and the body was flushed."""
        if self.done:
            return
        if self.head is not None:
            self._feed_content(data)
        elif self._buffer:
            self._feed_head(self._buffer + data, b"", max(0, len(self._buffer) - 3))
        else:
            # Most heads are small, and what follows them may be much.
            self._feed_head(bytes(data[:_LIKELY_HEAD]), data[_LIKELY_HEAD:], 0)

    @property
    def awaited(self) -> int:
        """Bytes of content still to come, as far as they need no look; 0 when that is not known."""
        return self._left if self._left and self._decoder is None and not self.done else 0

    def passed(self, size: int) -> None:
        """So many bytes of content went another way; fewer than are awaited."""
        assert self._left is not None
        self._left -= size

    def detach(self) -> None:
        """Nobody wants to know any more; what was waited on is freed."""
        self.done = True
        self._events = _NOBODY

    def eof(self, clean: bool) -> None:
        """The downstream closed the connection; `clean` when it was no reset."""
        if self.done:
            return
        if self.head is not None and self._left is None and self._decoder is None and clean:
            # Close-delimited content (RFC 9112, section 6.3, case 8): the close is its end.
            self._finish(False)
        elif self.head is None:
            self._fail(ProxyError(ErrorKind.CLOSED_BEFORE_HEAD))
        else:
            self._fail(ProxyError(ErrorKind.RESPONSE_INCOMPLETE))

    def _feed_head(self, data: bytes, rest: Piece, scanned: int) -> None:
        """`data` may hold a head, `rest` follows it; nothing ends before `scanned`."""
        while True:
            end = data.find(b"\r\n\r\n", scanned)
            if end < 0 and rest:
                scanned = max(0, len(data) - 3)
                data, rest = data + rest, b""
                continue
            if end < 0 or end + 4 > self._max_head:
                self._head_incomplete(data)
                return
            try:
                head = parse_response_head(data[: end + 4])
                if head.status == 101:
                    self._check_switch(head)
            except ProxyError as error:
                self._fail(error)
                return
            data, scanned = data[end + 4 :], 0
            if head.status == 101:
                self.head, self.done = head, True
                self._events.upgraded(head, data + rest)
                return
            if head.status >= 200:
                break
            self._interims += 1
            if self._interims > MAX_INTERIM:
                self._fail(ProxyError(ErrorKind.MALFORMED_RESPONSE, "Too many interim responses"))
                return
            self._events.interim(head)
            if self.done:
                return
        self._buffer = b""
        self._begin_content(head, data, rest)

    def _head_incomplete(self, data: bytes) -> None:
        self._buffer = data
        if len(data) > self._max_head:
            self._fail(ProxyError(ErrorKind.RESPONSE_HEAD_TOO_LARGE))
        elif data and not b"HTTP/1.".startswith(data[:7]):
            self._fail(ProxyError(ErrorKind.MALFORMED_RESPONSE, "The answer is not HTTP/1.1"))

    def _check_switch(self, head: ResponseHead) -> None:
        if not self._upgrade or head.upgrade != self._upgrade or b"upgrade" not in head.connection:
            raise ProxyError(
                ErrorKind.UPGRADE_FAILED, "The downstream switched to a protocol nobody asked for"
            )

    def _begin_content(self, head: ResponseHead, data: bytes, rest: Piece) -> None:
        self.head = head
        if not head.has_content(self._method):
            self._left = 0
        elif head.chunked:
            self._decoder = ChunkedDecoder()
            self._left = None
        else:
            self._left = head.content_length
        events = self._events
        events.head_received(head)
        if self._left == 0:
            # Bytes that nobody may send here would be taken for the next response: the connection ends with
            # this one.
            self._finish(head.keep_alive and not data and not rest)
        if data and not self.done:
            self._feed_content(data, followed=bool(rest))
        if rest and not self.done:
            self._feed_content(rest)
        if self.body.error is None:
            events.answer_begun()

    def _feed_content(self, data: Piece, followed: bool = False) -> None:
        assert self.head is not None
        if self._decoder is not None:
            self._feed_chunks(self._decoder, bytes(data), self.head, followed)
        elif self._left is None:
            self.body.feed(data)
        else:
            extra = len(data) - self._left
            if extra > 0:
                data = data[: self._left]
            self._left -= len(data)
            self.body.feed(data)
            if self._left == 0:
                self._finish(self.head.keep_alive and extra <= 0 and not followed)

    def _feed_chunks(self, decoder: ChunkedDecoder, data: bytes, head: ResponseHead, followed: bool) -> None:
        try:
            for chunk in decoder.feed(data):
                self.body.feed(chunk)
        except ChunkedError:
            self._fail(ProxyError(ErrorKind.MALFORMED_RESPONSE_BODY))
            return
        if decoder.done:
            self.body.trailers = decoder.trailers
            self._finish(head.keep_alive and not decoder.rest and not followed)

    def _finish(self, reusable: bool) -> None:
        self.done = True
        self.body.finish()
        self._events.finished(reusable)

    def _fail(self, error: ProxyError) -> None:
        self.done = True
        self.body.fail(error)
        self._events.failed(error)
