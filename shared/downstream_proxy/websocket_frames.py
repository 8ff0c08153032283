"""WebSocket frames on their way through a tunnel, followed by their headers (RFC 6455, section 5.2).

Knows bytes only: neither connections nor time.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes


class FrameScanner:
    """Follows the frames of one direction by their headers (RFC 6455, section 5.2).

    left: bytes of the present frame's payload still to come; 0 between two frames. closed: a Close frame has
    begun. too_big: a message has grown past the limit. held: the beginning of a header that is not whole.
    """

    __slots__ = ("_limit", "_message", "closed", "held", "left", "too_big")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._message = 0
        self.held = b""
        self.left = 0
        self.closed = False
        self.too_big = False

    def feed(self, data: bytes) -> bytes:
        """What may pass on: all but a header that is not whole yet, or from the frame that is too big.

        So what has passed ends between two frames or inside a payload, never inside a header.
        """
        size = len(data)
        if self.left >= size:
            self.left -= size
            return data
        if self.held:
            data = self.held + data
            self.held = b""
            size = len(data)
        at, last = self.left, size - 1
        self.left = 0
        while at < last:
            first, second = data[at], data[at + 1]
            length = second & 0x7F
            payload = at + 2
            if length > 125:
                payload += 2 if length == 126 else 8
                if payload > size:
                    break
                length = int.from_bytes(data[at + 2 : payload])
            if second & 0x80:
                payload += 4
            if payload > size:
                break
            if first & 0x08:
                self.closed = self.closed or first & 0x0F == 8
            else:
                self._message += length
                if self._limit is not None and self._message > self._limit:
                    self.too_big = True
                    return data[:at]
                if first & 0x80:
                    self._message = 0
            at = payload + length
        if at >= size:
            self.left = at - size
            return data
        self.held = data[at:]
        return data[:at]


def close_frame(code: int, masked: bool) -> bytes:
    """A Close frame without a reason."""
    payload = code.to_bytes(2)
    if not masked:
        return b"\x88\x02" + payload
    mask = token_bytes(4)
    return b"\x88\x82" + mask + bytes((payload[0] ^ mask[0], payload[1] ^ mask[1]))


class Direction:
    """One way through the tunnel: passes frames on until the sender ends or the proxy says Close instead.

    answered: the sender has said Close. write: to the reader.
    """

    __slots__ = ("_due", "_masked", "_over", "_scanner", "_write")

    def __init__(self, limit: int | None, masked: bool, write: Callable[[bytes], None]) -> None:
        self._scanner = FrameScanner(limit)
        self._masked = masked
        self._write = write
        self._due = b""
        self._over = False

    @property
    def answered(self) -> bool:
        return self._scanner.closed

    def feed(self, data: bytes) -> bool:
        """Pass `data` on; False when a message has grown past the limit."""
        scanner = self._scanner
        if scanner.too_big:
            return True
        left = scanner.left
        passed = scanner.feed(data)
        if self._due:
            # The frame that was under way still passes; the sender's own Close is only taken note of.
            self._write(data[:left])
            if len(data) >= left:
                self._say_close()
        elif not self._over and passed:
            self._write(passed)
        return not scanner.too_big

    def close(self, code: int) -> None:
        """Say Close to the reader, at the end of the present frame; nothing follows it."""
        if self._over or self._scanner.closed:
            return
        self._due = close_frame(code, self._masked)
        if not self._scanner.left:
            self._say_close()

    def _say_close(self) -> None:
        self._write(self._due)
        self._due = b""
        self._over = True

    def end(self) -> None:
        """The sender is gone: what was held back passes, and nothing after it."""
        if not self._over and not self._due and not self._scanner.too_big and self._scanner.held:
            self._write(self._scanner.held)
        self.stop()

    def stop(self) -> None:
        """Nobody reads any more."""
        self._due = b""
        self._over = True
