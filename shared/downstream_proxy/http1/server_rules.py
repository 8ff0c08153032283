"""What a client connection is told and whom it tells: its bounds, its owner, and the tunnel after an
upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from aiohttp import StreamReader

from ..errors import ProxyError
from .request_head import HeadLimits, RequestHead


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """What every client connection of a server shares. Times in seconds, sizes in bytes, None for no bound.

    render_refusal: the complete response for a request that never became one. on_refusal: told of each.
    """

    head: HeadLimits
    max_body: int | None
    head_timeout: float
    body_idle: float
    min_body_rate: float
    keep_alive: float
    render_refusal: Callable[[ProxyError], bytes]
    on_refusal: Callable[[ProxyError, str], None]


class ConnectionOwner(Protocol):
    """What a backend's protocol class does for its connection."""

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        """Start answering."""

    def client_gone(self) -> None:
        """Stop answering: nobody reads it."""


class Tunnel(Protocol):
    """What takes a connection's bytes after an upgrade."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self) -> None: ...
    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...
    def shutdown(self) -> None: ...


class State(Enum):
    """What a client connection is doing."""

    WAITING = auto()
    ANSWERING = auto()
    TUNNEL = auto()
    LINGERING = auto()
    CLOSED = auto()
