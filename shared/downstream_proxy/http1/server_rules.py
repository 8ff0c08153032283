"""What a client connection is told and whom it tells: its bounds, its owner, and the tunnel after an
upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from aiohttp import StreamReader

from ..errors import ErrorKind, ProxyError
from .request_head import HeadLimits, RequestHead

BODY_BUFFER = 2**16
"""Bytes of a request body held before reading pauses; aiohttp's StreamReader pauses at twice this."""

PIPELINE_BUFFER = 2**16
"""Bytes of further requests held while one is being answered."""

LINGER_SECONDS = 5.0
"""How long a connection that was given up is read and ignored, so that the client can read its answer
first."""


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
    response_idle: float
    render_refusal: Callable[[ProxyError], bytes]
    on_refusal: Callable[[ProxyError, str], None]

    def check_announced(self, length: int | None) -> None:
        """Raise ProxyError when a body of this length is not wanted."""
        if self.max_body is not None and length is not None and length > self.max_body:
            raise ProxyError(ErrorKind.REQUEST_BODY_TOO_LARGE)

    def refusal(self, error: ProxyError, peer: str, data: bytes) -> bytes:
        """The answer to what there is of a request, `data`; to HEAD it has no content, whatever is wrong with
        the rest."""
        self.on_refusal(error, peer)
        answer = self.render_refusal(error)
        return answer[: answer.index(b"\r\n\r\n") + 4] if data.startswith(b"HEAD ") else answer


class ConnectionOwner(Protocol):
    """What a backend's protocol class does for its connection."""

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        """Start answering."""

    def client_gone(self, error: ProxyError | None = None) -> None:
        """Stop answering: nobody reads it. error: when there is more to say than that the client left."""


class Tunnel(Protocol):
    """What takes a connection's bytes after an upgrade."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self) -> None: ...
    def left_unread(self) -> None: ...
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
