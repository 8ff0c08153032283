"""The body of a request as it arrives: framing undone, bounded, and watched for slowness.

Feeds an aiohttp StreamReader, which does the buffering and the flow control. Knows no connection and no
framework.
"""

from __future__ import annotations

from aiohttp import StreamReader

from ..errors import ErrorKind, ProxyError
from .chunked import ChunkedDecoder, ChunkedError, ChunkedTooLargeError


class BodyReceiver:
    """Takes a connection's bytes for one body of a known length or of chunks.

    receiving: more is to come. complete: everything came. failed: it never will.
    """

    __slots__ = ("_body", "_decoder", "_left", "_max", "_since", "_size", "_was_paused", "complete", "failed")

    def __init__(self, body: StreamReader, length: int | None, max_bytes: int | None) -> None:
        self._body = body
        self._left = length or 0
        self._decoder = ChunkedDecoder() if length is None else None
        self._max = max_bytes
        self._size = 0
        self._since = 0
        self._was_paused = False
        self.complete = False
        self.failed = False

    @property
    def receiving(self) -> bool:
        return not (self.complete or self.failed)

    @property
    def awaiting_first_byte(self) -> bool:
        return self.receiving and self._size == 0

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; returns what follows it."""
        if self._decoder is not None:
            return self._feed_chunks(self._decoder, data)
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self._pass_on(data)
        if self._left == 0:
            self._finish()
        return rest

    def _feed_chunks(self, decoder: ChunkedDecoder, data: bytes) -> bytes:
        try:
            for chunk in decoder.feed(data):
                self._pass_on(chunk)
                if self._max is not None and self._size > self._max:
                    raise ProxyError(ErrorKind.REQUEST_BODY_TOO_LARGE)
        except ChunkedTooLargeError:
            self.fail(ProxyError(ErrorKind.REQUEST_TRAILERS_TOO_LARGE))
        except ChunkedError:
            self.fail(ProxyError(ErrorKind.MALFORMED_REQUEST_BODY, "The chunked coding is malformed"))
        except ProxyError as error:
            self.fail(error)
        else:
            if decoder.done:
                self._finish()
                return decoder.rest
        return b""

    def _pass_on(self, data: bytes) -> None:
        self._size += len(data)
        self._body.feed_data(data)

    def _finish(self) -> None:
        self.complete = True
        self._body.feed_eof()

    def fail(self, error: ProxyError) -> None:
        """End the body with an error for whoever reads it, unless it has ended already."""
        if self.receiving:
            self.failed = True
            self._body.set_exception(error)

    def paused(self) -> None:
        """Reading stopped on our own account: this period says nothing about the client."""
        self._was_paused = True

    def period_ended(self, least: float, asked: bool) -> None:
        """Fail the body when fewer than `least` bytes (and none is always too few) came since the last call.

        asked: whether the client was told to send; one that waits for 100 (Continue) does as it should.
        """
        came, self._since = self._size - self._since, self._size
        if self._was_paused:
            self._was_paused = False
        elif came < max(1.0, least) and (asked or self._size):
            self.fail(ProxyError(ErrorKind.REQUEST_BODY_TIMEOUT))
