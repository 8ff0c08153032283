"""Counts the bytes of a message body without keeping them. It must not know sockets or what is under test."""

from __future__ import annotations

from ..parse import MalformedError, Pairs, values


class Content:
    """One body: `size` bytes so far, `done` at its end, `data` when it is to be kept."""

    def __init__(self, headers: Pairs, *, request: bool = False, bodyless: bool = False) -> None:
        self.size = 0
        self.data = bytearray()
        self.keep = True
        self.done = False
        self.chunked = values(headers, b"transfer-encoding") == [b"chunked"] and not bodyless
        length = values(headers, b"content-length")
        self._left: int | None = int(length[0]) if length else (0 if request else None)
        if bodyless:
            self._left = 0
        if not self.chunked and self._left == 0:
            self.done = True
        self._line = b""
        self._need = 0  # of the chunk, with its CRLF
        self._last = False

    @property
    def until_close(self) -> bool:
        return not self.chunked and self._left is None

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        if self.keep:
            self.data += data

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the wire; gives back those behind the end."""
        if self.done:
            return data
        if self.chunked:
            return self._feed_chunks(data)
        if self._left is None:
            self._take(data)
            return b""
        part, rest = data[: self._left], data[self._left :]
        self._left -= len(part)
        self._take(part)
        self.done = not self._left
        return rest

    def _feed_chunks(self, data: bytes) -> bytes:
        at = 0
        while at < len(data):
            if self._need:
                n = min(self._need, len(data) - at)
                payload = max(0, min(n, self._need - 2))
                self._take(data[at : at + payload])
                self._need -= n
                at += n
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return b""
            line, self._line = self._line + data[at : end + 1], b""
            at = end + 1
            if not line.endswith(b"\r\n"):
                raise MalformedError(f"chunk line {line!r}")
            if self._last:
                if line == b"\r\n":
                    self.done = True
                    return data[at:]
                continue
            size = int(line, 16)
            self._last = not size
            self._need = size + 2 if size else 0
        return b""
