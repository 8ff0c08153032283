"""A raw HTTP/1.1 client, so that no HTTP library tidies the evidence.

It must not know what is under test: no settings, no rules, no pytest.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Self

from .parse import Framing, MalformedError, Pairs, TruncatedError, parse_head, values

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")


@dataclass
class Response:
    """One strictly parsed response. `interim` holds the 1xx responses that came before it."""

    version: bytes
    status: int
    reason: bytes
    headers: Pairs
    framing: Framing
    head: bytes
    interim: list[Response] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return bytes(self.framing.data)

    def all(self, name: bytes) -> list[bytes]:
        return values(self.headers, name)

    def one(self, name: bytes) -> bytes | None:
        """The value of a field that may come once; None when absent."""
        found = self.all(name)
        if len(found) > 1:
            raise MalformedError(f"{name!r} comes {len(found)} times")
        return found[0] if found else None


class Client:
    """One connection. Every wait is bounded by `timeout` seconds and raises TimeoutError."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        timeout: float = 8.0,
        receive_buffer: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(sock, server_hostname=address[0]) if tls else sock
        self.sent = bytearray()
        self.received = bytearray()
        self.eof = False
        self.was_reset = False
        self.refused_bytes = False
        self._at = 0  # start of what is not parsed yet in `received`

    # -- writing

    def send(self, data: bytes) -> Client:
        """Sends all of it. A peer that closes meanwhile is no error here: its answer is what counts."""
        self.sent += data
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.refused_bytes = True
        return self

    def pump(self, data: bytes, quiet: float | None = None) -> int:
        """Sends until all is sent or the peer answers or closes; the number of bytes sent.

        A peer that takes nothing for `quiet` seconds ends it as well; without `quiet` that is a TimeoutError.
        """
        view = memoryview(data)
        while view and not self.refused_bytes:
            wait = quiet if quiet is not None else self.sock.gettimeout()
            readable, writable, _ = select.select([self.sock], [self.sock], [], wait)
            if readable or (quiet is not None and not writable):
                break
            if not writable:
                raise TimeoutError("the peer neither reads nor answers")
            try:
                n = self.sock.send(view[:65536])
            except (BrokenPipeError, ConnectionResetError):
                self.refused_bytes = True
                break
            self.sent += view[:n]
            view = view[n:]
        return len(data) - len(view)

    def drip(self, data: bytes, every: float) -> int:
        """One byte each `every` seconds, until the peer answers or closes; the number of bytes sent."""
        for n in range(len(data)):
            if self.readable(every) or self.refused_bytes:
                return n
            self.send(data[n : n + 1])
        return len(data)

    def readable(self, within: float) -> bool:
        """True as soon as there are bytes or an end to read."""
        return bool(select.select([self.sock], [], [], within)[0])

    def half_close(self) -> Client:
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading

    @property
    def unread(self) -> bytes:
        return bytes(self.received[self._at :])

    def _fill(self) -> bool:
        """Reads once; False at the end of the connection."""
        if self.eof:
            return False
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError:
            data, self.was_reset = b"", True
        except ssl.SSLEOFError:
            data = b""
        self.received += data
        self.eof = not data
        return bool(data)

    def read_until(self, marker: bytes) -> bytes:
        """All unparsed bytes up to and including `marker`; `TruncatedError` when the end comes first."""
        while (end := self.received.find(marker, self._at)) < 0:
            if not self._fill():
                raise TruncatedError(f"ended before {marker!r}: {self.unread[:200]!r}")
        return self._take(end + len(marker))

    def read_exactly(self, n: int) -> bytes:
        while len(self.received) - self._at < n:
            if not self._fill():
                raise TruncatedError(f"ended after {len(self.unread)} of {n} bytes")
        return self._take(self._at + n)

    def _take(self, end: int) -> bytes:
        data = bytes(self.received[self._at : end])
        self._at = end
        return data

    def read_head(self, method: bytes = b"GET") -> Response:
        """The next final head, or 101; other 1xx before it are collected in its `interim`."""
        interim: list[Response] = []
        while True:
            head = self.read_until(b"\r\n\r\n")
            line, headers = parse_head(head)
            match = _STATUS_LINE.fullmatch(line)
            if match is None:
                raise MalformedError(f"status line {line!r}")
            status = int(match[2])
            framing = Framing.of(headers, request=False)
            if method == b"HEAD" or status < 200 or status in (204, 304):
                framing = Framing("none")
            response = Response(b"1." + match[1], status, match[3], headers, framing, head, interim)
            if status >= 200 or status == 101:
                return response
            interim.append(response)

    def read_body(self, response: Response) -> Response:
        """The rest of this response's body; `TruncatedError` when it is cut."""
        framing = response.framing
        while not framing.done:
            rest = framing.feed(self._take(len(self.received)))
            self._at -= len(rest)
            if not framing.done and not self._fill():
                if self.was_reset:
                    raise TruncatedError("connection reset")
                framing.end()
        return response

    def read_some(self, response: Response, n: int) -> bytes:
        """At least `n` bytes of decoded body in all; what has come so far."""
        framing = response.framing
        while len(framing.data) < n and not framing.done:
            rest = framing.feed(self._take(len(self.received)))
            self._at -= len(rest)
            if len(framing.data) < n and not framing.done and not self._fill():
                raise TruncatedError(f"body ended after {len(framing.data)} bytes")
        return response.body

    def read_response(self, method: bytes = b"GET") -> Response:
        return self.read_body(self.read_head(method))

    def read_to_end(self) -> bytes:
        """Everything up to the end of the connection."""
        while self._fill():
            pass
        return self._take(len(self.received))

    def ended(self) -> bool:
        """Waits for the end; True when nothing more came before it."""
        return self.read_to_end() == b""
