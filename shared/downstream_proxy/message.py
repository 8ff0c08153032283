"""What passes through the proxy: requests and responses as plain data.

Header fields are pairs of bytes in the order and the case in which they came, so that nothing is merged,
decoded or reordered by accident. Knows nothing of sockets, of the web frameworks or of any client library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .timing import Waits

if TYPE_CHECKING:
    from .downstream import DownstreamResponse
    from .http1.response_head import ResponseHead

HeaderPairs: TypeAlias = list[tuple[bytes, bytes]]


class Body(Protocol):
    """A message body that is read once, in order. aiohttp's StreamReader is one.

    total_bytes: of its content that have arrived.
    """

    total_bytes: int

    async def readany(self) -> bytes:
        """The next bytes, or b"" at the end. Raises ProxyError when the body is cut off, malformed or too
        slow."""
        ...

    def read_nowait(self, n: int = -1) -> bytes:
        """What has arrived by now, possibly b""."""
        ...

    def at_eof(self) -> bool:
        """True when everything has arrived and has been read."""
        ...

    def is_eof(self) -> bool:
        """True when everything has arrived, read or not."""
        ...


def _no_continue() -> None:
    """The client waits for no 100 (Continue)."""


def _no_interim(head: bytes) -> None:
    """The server knows no way to send a 1xx."""


@dataclass(slots=True)
class IncomingRequest:
    """A request as the client sent it; never changed on its way.

    target: origin-form, byte-exact. headers: as received. body: None when the request has none.
    content_length: declared length in bytes, None for a chunked body. minor: 1 for HTTP/1.1, 0 for HTTP/1.0.
    peer: address of the connection's other end, "" for a Unix socket. expects_continue: the client waits for
    100 (Continue) before it sends its body, and `send_continue` sends it. send_interim: sends the head of
    another 1xx.
    """

    method: bytes
    target: bytes
    headers: HeaderPairs
    host: bytes = b""
    minor: int = 1
    body: Body | None = None
    content_length: int | None = None
    peer: str = ""
    scheme: bytes = b"http"
    expects_continue: bool = False
    upgrade: bytes = b""
    send_continue: Callable[[], None] = field(default=_no_continue)
    send_interim: Callable[[bytes], None] = field(default=_no_interim)


@dataclass(slots=True)
class OutgoingRequest:
    """A request as the downstream will see it. headers: the complete header section but for framing, Host
    first.

    on_head: told of the answer before the first byte of its content, so that it can be relayed as it comes; a
    client library that cannot do that leaves it alone. on_interim: told of each 1xx but 100 and 101.

    tried, elsewhere: kept by a downstream with several addresses; the numbers of those where the request has
    failed, and whether another is in service.

    connect: seconds that making a connection for it took; 0 while a kept one served. A Downstream adds to it.
    address: the URL it was sent to last, when there are several. waits: what came before the attempt that was
    answered; None for nothing.
    """

    method: bytes
    target: bytes
    headers: HeaderPairs
    body: Body | None = None
    content_length: int | None = None
    expects_continue: bool = False
    upgrade: bytes = b""
    send_continue: Callable[[], None] = field(default=_no_continue)
    on_head: Callable[[DownstreamResponse], None] | None = None
    on_interim: Callable[[ResponseHead], None] | None = None
    tried: tuple[int, ...] = ()
    elsewhere: bool = False
    connect: float = 0.0
    address: str = ""
    waits: Waits | None = None


class ResponseSink(Protocol):
    """Where a response goes: the client, in the framework's terms. http1.ResponseWriter is one."""

    async def start(
        self, status: int, reason: bytes | None, headers: HeaderPairs, length: int | None
    ) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def flush_head(self) -> None: ...
    async def end(self, trailers: HeaderPairs | None = None) -> None: ...
    def abort(self) -> None: ...
