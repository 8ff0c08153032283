"""A strict parser for HTTP/1.1 messages, for both ends of the suite.

Whatever RFC 9112 does not allow a sender to send raises `MalformedError`. It must not know sockets.
"""

from __future__ import annotations

import re

Pairs = list[tuple[bytes, bytes]]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELD = re.compile(
    rb"("
    + _TOKEN
    + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:[\t ]*;[\t \x21-\x7e\x80-\xff]*)?)")


class MalformedError(Exception):
    """The peer sent bytes that are not the message they should be."""


class TruncatedError(Exception):
    """The connection ended before the message did."""


def values(headers: Pairs, name: bytes) -> list[bytes]:
    """All values of `name`, in order."""
    return [value for key, value in headers if key.lower() == name.lower()]


def parse_fields(lines: list[bytes]) -> Pairs:
    """Field lines (without CRLF) to pairs; `MalformedError` for what a sender must not send (RFC 9112 5)."""
    pairs: Pairs = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise MalformedError(f"field line {line!r}")
        pairs.append((match[1], match[2]))
    return pairs


def parse_head(head: bytes) -> tuple[bytes, Pairs]:
    """A head up to and including its empty line, to the start line and the field pairs."""
    lines = head[:-4].split(b"\r\n")
    return lines[0], parse_fields(lines[1:])


def parse_request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target, version (`b"1.1"`)."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise MalformedError(f"request line {line!r}")
    return match[1], match[2], b"1." + match[3]


def lowered_codings(headers: Pairs) -> Pairs:
    """The fields with the names of transfer codings in lower case: they have no case (RFC 9112 7), but ours
    writes them so, and `Framing.of` insists."""
    return [
        (name, value.lower()) if name.lower() == b"transfer-encoding" else (name, value)
        for name, value in headers
    ]


class Framing:
    """An incremental, strict body reader. `kind` is "none", "length", "chunked" or "close"."""

    def __init__(self, kind: str, length: int = 0) -> None:
        self.kind = kind
        self.length = length
        self.data = bytearray()
        self.chunks: list[bytes] = []
        self.trailers: Pairs = []
        self.done = kind == "none" or (kind == "length" and length == 0)
        self._buffer = bytearray()
        self._need = -1  # bytes left of the current chunk's data and CRLF; -1: a size line comes next
        self._ending = False

    @classmethod
    def of(cls, headers: Pairs, *, request: bool) -> Framing:
        """The declared framing (RFC 9112 6.3); both or doubled declarations are `MalformedError`."""
        coding = values(headers, b"transfer-encoding")
        length = values(headers, b"content-length")
        if coding and length:
            raise MalformedError("Content-Length and Transfer-Encoding in one message")
        if coding:
            if coding != [b"chunked"]:
                raise MalformedError(f"Transfer-Encoding {coding!r}")
            return cls("chunked")
        if length:
            if len(length) > 1 or not re.fullmatch(rb"[0-9]{1,19}", length[0]):
                raise MalformedError(f"Content-Length {length!r}")
            return cls("length", int(length[0]))
        return cls("none") if request else cls("close")

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the wire; gives back those behind the end of the body."""
        if self.done:
            return data
        if self.kind == "close":
            self.data += data
            return b""
        if self.kind == "length":
            missing = self.length - len(self.data)
            self.data += data[:missing]
            self.done = len(self.data) == self.length
            return data[missing:]
        self._buffer += data
        while self._chunk():
            pass
        return self._behind()

    def _behind(self) -> bytes:
        """What came behind the end of a chunked body."""
        if not self.done:
            return b""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def end(self) -> None:
        """The connection ended; `TruncatedError` unless that is a proper end of this body."""
        if self.kind == "close":
            self.done = True
        if not self.done:
            raise TruncatedError(f"{self.kind} body cut after {len(self.data)} bytes")

    def _chunk(self) -> bool:
        buffer = self._buffer
        if self._need >= 0:
            if len(buffer) < self._need:
                return False
            if buffer[self._need - 2 : self._need] != b"\r\n":
                raise MalformedError("no CRLF behind the chunk's data")
            self.chunks.append(bytes(buffer[: self._need - 2]))
            self.data += self.chunks[-1]
            del buffer[: self._need]
            self._need = -1
            return True
        end = buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        if self._ending:
            if line:
                self.trailers += parse_fields([line])
            self.done = not line
            return not self.done
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise MalformedError(f"chunk line {line!r}")
        size = int(match[1], 16)
        if size:
            self._need = size + 2
        else:
            self._ending = True
        return True
