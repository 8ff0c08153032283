"""The proxy's own endpoints below `admin.prefix`: healthy, ready, metrics. Answers from data; knows no
framework.

They are told apart from proxied paths by the raw target, byte for byte, so that no spelling of a path is one
thing to the proxy and another to the downstream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import ErrorKind, ProxyError
from .identity import TrustedPeers
from .message import HeaderPairs, IncomingRequest

if TYPE_CHECKING:
    from .state import ProxyState

Answer = tuple[int, HeaderPairs, bytes]

_TEXT = "text/plain; charset=utf-8"


class Admin:
    """Answers for one proxy."""

    def __init__(self, state: ProxyState) -> None:
        settings = state.settings.admin
        self._state = state
        self._allow = TrustedPeers(settings.allow)
        self.prefix = settings.prefix.encode()
        self._open: dict[bytes, Callable[[], Answer]] = {b"healthy": _healthy, b"ready": self._ready}
        self._guarded: dict[bytes, Callable[[], Answer]] = {b"metrics": self._metrics}

    def answer(self, request: IncomingRequest) -> Answer:
        """The answer to a request whose target begins with the prefix.

        Raises ProxyError: no-route for an unknown endpoint, forbidden for a peer outside `admin.allow`,
        method-not-allowed for anything but GET and HEAD.
        """
        name = request.target.partition(b"?")[0][len(self.prefix) :]
        endpoint = self._open.get(name)
        if endpoint is None:
            endpoint = self._guarded.get(name)
            if endpoint is None:
                raise ProxyError(ErrorKind.NO_ROUTE)
            if request.peer and request.peer not in self._allow:
                raise ProxyError(ErrorKind.FORBIDDEN)
        if request.method not in (b"GET", b"HEAD"):
            raise ProxyError(ErrorKind.METHOD_NOT_ALLOWED)
        return endpoint()

    def _ready(self) -> Answer:
        if self._state.draining:
            return text(503, b"draining\n")
        return text(200, b"ready\n")

    def _metrics(self) -> Answer:
        content, content_type = self._state.metrics.render()
        return text(200, content, content_type)


def _healthy() -> Answer:
    return text(200, b"ok\n")


def text(status: int, content: bytes, content_type: str = _TEXT) -> Answer:
    """An answer that no cache may keep."""
    return (
        status,
        [
            (b"Content-Type", content_type.encode()),
            (b"Content-Length", b"%d" % len(content)),
            (b"Cache-Control", b"no-store"),
        ],
        content,
    )
