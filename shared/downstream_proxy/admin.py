"""The proxy's own endpoints below `admin.prefix`: who may ask for which, and on which listener. Answers from
data; knows no framework.

They are told apart from proxied paths by the raw target, byte for byte, so that no spelling of a path is one
thing to the proxy and another to the downstream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .answer import Answer, whole
from .errors import ErrorKind, ProxyError
from .identity import TrustedPeers, clients_named
from .message import IncomingRequest
from .settings_show import show

if TYPE_CHECKING:
    from .state import ProxyState

Endpoint = Callable[[IncomingRequest], Answer]


class Admin:
    """Answers for one proxy.

    `healthy` and `ready` are open on every listener. The rest is `admin.listen`'s when that is set, and is
    unknown to the main listener then; else the main listener answers it to peers in `admin.allow`.
    """

    def __init__(self, state: ProxyState) -> None:
        settings = state.settings.admin
        self._state = state
        self._allow = TrustedPeers(settings.allow)
        self.prefix = settings.prefix.encode()
        self._open: dict[bytes, Endpoint] = {b"healthy": _healthy, b"ready": self._ready}
        self._guarded: dict[bytes, Endpoint] = {
            b"metrics": self._metrics,
            b"status": state.process.status.answer,
            b"config": self._config,
        }
        self._on_main: dict[bytes, Endpoint] = {} if settings.listen else self._guarded

    def answers(self, target: bytes) -> bool:
        """Whether a request is the proxy's own to answer: below the prefix, or `OPTIONS *`."""
        return target.startswith(self.prefix) or target == b"*"

    def answer(self, request: IncomingRequest) -> Answer:
        """The main listener's answer to a request that is the proxy's own (for `*`: RFC 9110, section 9.3.7).

        Raises ProxyError: no-route for an unknown endpoint, forbidden for a peer outside `admin.allow`,
        method-not-allowed for anything but GET and HEAD.
        """
        if request.target == b"*":
            return 204, [], b""
        name = self._name(request)
        endpoint = self._open.get(name)
        if endpoint is None:
            endpoint = self._on_main.get(name)
            if endpoint is None:
                raise ProxyError(ErrorKind.NO_ROUTE)
            if not self._allowed(request):
                raise ProxyError(ErrorKind.FORBIDDEN)
        return _ask(endpoint, request)

    def answer_apart(self, request: IncomingRequest) -> Answer:
        """The answer of the listener at `admin.listen`, whose address is what guards it. Raises ProxyError as
        `answer` does, but forbidden never."""
        if not request.target.startswith(self.prefix):
            raise ProxyError(ErrorKind.NO_ROUTE)
        name = self._name(request)
        endpoint = self._open.get(name) or self._guarded.get(name)
        if endpoint is None:
            raise ProxyError(ErrorKind.NO_ROUTE)
        return _ask(endpoint, request)

    def _name(self, request: IncomingRequest) -> bytes:
        return request.target.partition(b"?")[0][len(self.prefix) :]

    def _allowed(self, request: IncomingRequest) -> bool:
        """Whether the peer may ask, and everybody it says to ask for.

        A web server on this machine speaks for the internet: what it names in its forwarding fields has to be
        allowed as well. Whoever adds to those fields can only lose by it.
        """
        if request.peer and request.peer not in self._allow:
            return False
        return all(client in self._allow for client in clients_named(request.headers))

    def _ready(self, _request: IncomingRequest) -> Answer:
        if self._state.draining:
            return whole(503, b"draining\n")
        return whole(200, b"ready\n")

    def _metrics(self, request: IncomingRequest) -> Answer:
        accept = b",".join(value for name, value in request.headers if name.lower() == b"accept")
        content, content_type = self._state.process.exposition.render(accept.decode("latin-1"))
        return whole(200, content, content_type)

    def _config(self, _request: IncomingRequest) -> Answer:
        return whole(200, f"{show(self._state.settings)}\n".encode())


def _healthy(_request: IncomingRequest) -> Answer:
    return whole(200, b"ok\n")


def _ask(endpoint: Endpoint, request: IncomingRequest) -> Answer:
    if request.method not in (b"GET", b"HEAD"):
        raise ProxyError(ErrorKind.METHOD_NOT_ALLOWED)
    return endpoint(request)
