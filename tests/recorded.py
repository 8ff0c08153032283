"""A request as the origin recorded it. It must not know sockets or what is under test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .parse import Framing, lowered_codings, parse_head, parse_request_line, values

if TYPE_CHECKING:
    from .origin import Connection


class GoneError(Exception):
    """The other side closed the connection; ends a script quietly."""


class Request:
    """One request as it arrived. `raw` grows with the body."""

    def __init__(self, conn: Connection, head: bytes) -> None:
        self.conn = conn
        self.head = head
        self.at = time.monotonic()
        line, self.headers = parse_head(head)
        self.method, self.target, self.version = parse_request_line(line)
        headers = lowered_codings(self.headers) if conn.origin.any_case else self.headers
        self.framing = Framing.of(headers, request=True)
        self.raw = bytearray(head)

    @property
    def body(self) -> bytes:
        return bytes(self.framing.data)

    @property
    def complete(self) -> bool:
        return self.framing.done

    @property
    def is_last(self) -> bool:
        """No other request came on its connection."""
        return self.conn.requests[-1] is self

    @property
    def lines(self) -> list[bytes]:
        """The head's lines without CRLF, the request line first."""
        return self.head[:-4].split(b"\r\n")

    def all(self, name: bytes) -> list[bytes]:
        return values(self.headers, name)

    async def read(self, at_least: int | None = None) -> bytes:
        """Reads the body to its end, or until `at_least` bytes are there."""
        while not self.framing.done and (at_least is None or len(self.framing.data) < at_least):
            data = await self.conn.read()
            if not data:
                raise GoneError
            rest = self.framing.feed(data)
            self.raw += data[: len(data) - len(rest)]
            self.conn.unread(rest)
            self.conn.origin.notify()
        return self.body
