"""The chunked transfer coding (RFC 9112, section 7.1), incrementally and within bounds. Pure; used in both
directions."""

from __future__ import annotations

from ..message import HeaderPairs
from .syntax import CHUNK_LINE, NEVER_A_HEAD, field_lines

MAX_CHUNK_LINE = 4096
"""Bytes of one chunk's size line, its extension included."""

MAX_EXTENSIONS = 16384
"""Bytes of all chunk extensions of one message together."""

MAX_TRAILERS = 16384
"""Bytes of the trailer section."""

MAX_TRAILER_FIELDS = 64


class ChunkedError(Exception):
    """The coding is malformed."""


class ChunkedTooLargeError(ChunkedError):
    """Extensions or trailers pass their bounds."""


class ChunkedDecoder:
    """Takes the bytes of a chunked message, gives the bytes of its content.

    `done` turns true with the last CRLF of the trailer section; what follows it is in `rest`.
    `trailers` are the trailer fields, never to be mixed with the header fields (RFC 9110, section 6.5).
    """

    __slots__ = (
        "_buffer",
        "_expect_crlf",
        "_extensions",
        "_in_trailers",
        "_left",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._expect_crlf = False
        self._in_trailers = False
        self._extensions = 0
        self.done = False
        self.rest = b""
        self.trailers: HeaderPairs = []

    def feed(self, data: bytes) -> list[bytes]:
        """Decode as far as possible. Raises ChunkedError, after which the decoder is of no more use."""
        content: list[bytes] = []
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                taken = min(self._left, end - position)
                content.append(data[position : position + taken] if taken != end else data)
                self._left -= taken
                position += taken
                self._expect_crlf = self._left == 0
            elif self._expect_crlf:
                if end - position == 1 and data[position] == 0x0D:
                    break
                if data[position : position + 2] != b"\r\n":
                    raise ChunkedError("chunk data is not followed by CRLF")
                position += 2
                self._expect_crlf = False
            elif self._in_trailers:
                position = self._read_trailers(data, position)
                if not self.done:
                    break
                self.rest = data[position:]
                return content
            else:
                after = self._read_size(data, position)
                if after == position:
                    break
                position = after
        self._buffer = data[position:]
        return content

    def _read_size(self, data: bytes, position: int) -> int:
        """Read one size line; returns the position behind it, or `position` when it has not arrived whole."""
        newline = data.find(b"\n", position, position + MAX_CHUNK_LINE)
        if newline < 0:
            if len(data) - position >= MAX_CHUNK_LINE:
                raise ChunkedTooLargeError("a chunk's size line is too long")
            if data[position : position + 1] not in _HEX:
                raise ChunkedError("a chunk's size is malformed")
            return position
        line = CHUNK_LINE.fullmatch(data, position, newline + 1)
        if line is None:
            raise ChunkedError("a chunk's size is malformed")
        size, extension = line.groups()
        if extension:
            self._extensions += len(extension)
            if self._extensions > MAX_EXTENSIONS:
                raise ChunkedTooLargeError("chunk extensions are too large")
        self._left = int(size, 16)
        if self._left > _MAX_CHUNK:
            raise ChunkedError("a chunk's size is too large")
        self._in_trailers = self._left == 0
        return newline + 1

    def _read_trailers(self, data: bytes, position: int) -> int:
        """Read the trailer section when it has arrived whole."""
        if data.startswith(b"\r\n", position):
            self.done = True
            return position + 2
        end = data.find(b"\r\n\r\n", position)
        if end < 0:
            if NEVER_A_HEAD.search(data, position) is not None:
                raise ChunkedError("a trailer field is malformed")
            if len(data) - position > MAX_TRAILERS:
                raise ChunkedTooLargeError("the trailer section is too large")
            return position
        if end - position > MAX_TRAILERS:
            raise ChunkedTooLargeError("the trailer section is too large")
        fields = field_lines(data, position, end + 2)
        if fields is None:
            raise ChunkedError("a trailer field is malformed")
        if len(fields) > MAX_TRAILER_FIELDS:
            raise ChunkedTooLargeError("too many trailer fields")
        self.trailers = fields
        self.done = True
        return end + 4


_HEX = frozenset(bytes([byte]) for byte in b"0123456789abcdefABCDEF")
_MAX_CHUNK = 2**62
