"""A downstream connection after 101, for whoever took it over: raw bytes both ways (RFC 9110, section 7.8).

What comes from the downstream goes to the one who took over by way of the exchange. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class WireTunnel:
    """Implements UpgradedConnection. abort: gives the exchange up."""

    __slots__ = ("abort", "transport")

    def __init__(self, transport: asyncio.Transport, abort: Callable[[], None]) -> None:
        self.transport = transport
        self.abort = abort

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    def write_eof(self) -> None:
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """End it after what was written."""
        self.transport.close()
