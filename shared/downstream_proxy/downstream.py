"""The seam towards the service we call: what a client library has to do to serve this proxy.

`Downstream` is the Protocol that another library implements; `open_downstream` picks ours. Only the modules
behind this seam build a ClientSession or turn a library's exceptions into ProxyError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .http1.response_body import ResponseBody
from .message import HeaderPairs, OutgoingRequest


class UpgradedConnection(Protocol):
    """A downstream connection after 101: raw bytes both ways, with flow control."""

    @property
    def transport(self) -> asyncio.Transport: ...
    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class UpgradedEvents(Protocol):
    """Who is told of the bytes of an upgraded connection."""

    def downstream_data(self, data: bytes) -> None: ...
    def downstream_lost(self) -> None: ...
    def pause_client(self) -> None: ...
    def resume_client(self) -> None: ...


def _nothing() -> None:
    """There is nothing to give back."""


@dataclass(slots=True)
class DownstreamResponse:
    """The downstream's final answer, its content still arriving.

    headers: as received. connection: members of its Connection field, in lower case. length: of the content
    in bytes, None when unknown. has_content: False for HEAD, 204, 304. abort: give the exchange up; nothing
    of it is reused. upgrade: on a 101, takes the connection over and returns it.
    """

    status: int
    reason: bytes
    headers: HeaderPairs
    connection: tuple[bytes, ...]
    length: int | None
    has_content: bool
    body: ResponseBody
    abort: Callable[[], None] = field(default=_nothing)
    upgrade: Callable[[UpgradedEvents], UpgradedConnection] | None = None


class Downstream(Protocol):
    """One service, reached through one client library.

    name: for the banner. connections: open ones, for the counters.
    """

    name: str

    async def open(self) -> None:
        """Called once, in the loop that will serve."""

    async def close(self) -> None:
        """Called once; open connections end."""

    async def send(self, request: OutgoingRequest, finished: Callable[[], None]) -> DownstreamResponse:
        """Send a request and return its answer's head.

        `finished` is called exactly once when this exchange no longer occupies a connection, on every way
        out; when send raises, it was called before. Raises ProxyError. When cancelled, the exchange is given
        up at once.
        """
        ...
