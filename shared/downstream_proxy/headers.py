"""Which header fields cross the proxy, in both directions (RFC 9110, section 7.6).

Rules are compiled once per downstream; a request costs one dictionary look-up per field. Pure: pairs in,
pairs out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .errors import ErrorKind, ProxyError
from .identity import (
    ForwardedFields,
    RequestIds,
    TrustedPeers,
    accepted_request_id,
    names_the_client,
    names_us,
)
from .message import HeaderPairs, IncomingRequest

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that speak of one connection only (RFC 9110, section 7.6.1). TE goes too: trailers end at this
proxy."""

_UNREMARKABLE_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"})
_NEVER_NAMED = frozenset({b"host", b"content-length", b"via", b"x-request-id"})
"""Fields that Connection cannot remove, since they are the proxy's own or frame the message; so are those
that name the client, which are added behind this step."""

_KEEP, _DROP, _CONNECTION, _NAMING, _VIA, _REQUEST_ID, _LENGTH = range(7)
_KNOWN_NAMES = 4096
"""Names remembered per rule set; beyond that a name is classified anew each time."""


@dataclass(frozen=True, slots=True)
class FieldEdits:
    """Configured edits, in the order remove, set, add. Names of `removed` are lower case."""

    removed: frozenset[bytes] = frozenset()
    written: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def compile(
        cls,
        remove: Iterable[str],
        set_: Iterable[tuple[str, str]],
        add: Iterable[tuple[str, str]],
    ) -> FieldEdits:
        """`set_` replaces every field of its name, so that name is removed as well."""
        replaced = [(name.encode(), value.encode("utf-8")) for name, value in set_]
        added = [(name.encode(), value.encode("utf-8")) for name, value in add]
        names = {name.lower().encode() for name in remove} | {name.lower() for name, _ in replaced}
        return cls(frozenset(names), tuple(replaced + added))


class RequestFields:
    """Turns a client's header section into the downstream's.

    host: the downstream's own authority; None sends the client's Host on. via: our pseudonym, None for no
    Via. request_ids: None when ids are off.
    """

    def __init__(
        self,
        *,
        host: bytes | None,
        via: bytes | None,
        forwarded: ForwardedFields,
        trusted: TrustedPeers,
        request_ids: RequestIds | None,
        keep_underscores: bool,
        edits: FieldEdits,
    ) -> None:
        self._host = host
        self._via = via
        self._forwarded = forwarded
        self._trusted = trusted
        self._request_ids = request_ids
        self._keep_underscores = keep_underscores
        self._edits = edits
        self._actions: dict[bytes, int] = {}

    def __call__(self, request: IncomingRequest) -> tuple[HeaderPairs, bytes]:
        """The header pairs to send, without framing fields, and the request id (b"" when ids are off).

        Raises ProxyError(loop-detected) when Via shows that the request has been here.
        """
        out: HeaderPairs = [(b"Host", request.host if self._host is None else self._host)]
        naming: HeaderPairs = []
        via: list[bytes] = []
        connection = b""
        received_id: bytes | None = None
        actions = self._actions
        for pair in request.headers:
            action = actions.get(pair[0])
            if action is None:
                action = self._classify(pair[0])
            if action == _KEEP:
                out.append(pair)
            elif action == _DROP:
                continue
            elif action == _CONNECTION:
                connection = connection + b"," + pair[1] if connection else pair[1]
            elif action == _NAMING:
                naming.append(pair)
            elif action == _VIA:
                via.append(pair[1])
                out.append(pair)
            else:
                received_id = pair[1]
        if connection:
            out = without_named(out, connection)
        trusted = request.peer in self._trusted
        out += self._forwarded.of(request, naming, trusted)
        if self._via is not None:
            if via and names_us(via, self._via):
                raise ProxyError(ErrorKind.LOOP_DETECTED)
            out.append((b"Via", b"1.%d %b" % (request.minor, self._via)))
        request_id = b""
        if self._request_ids is not None:
            request_id = (trusted and accepted_request_id(received_id)) or self._request_ids.new()
            out.append((b"X-Request-ID", request_id))
        elif received_id is not None:
            out.append((b"X-Request-ID", received_id))
        out += self._edits.written
        return out, request_id

    def _classify(self, name: bytes) -> int:
        lowered = name.lower()
        if lowered == b"connection":
            action = _CONNECTION
        elif lowered in self._edits.removed or lowered in HOP_BY_HOP or lowered in _REWRITTEN:
            action = _DROP
        elif names_the_client(lowered):
            action = _NAMING
        elif lowered == b"via":
            action = _VIA
        elif lowered == b"x-request-id":
            action = _REQUEST_ID
        elif b"_" in name and not self._keep_underscores:
            # Many servers read "_" and "-" as the same character: X_Forwarded_For would be X-Forwarded-For to
            # them.
            action = _DROP
        else:
            action = _KEEP
        if len(self._actions) < _KNOWN_NAMES:
            self._actions[name] = action
        return action


_REWRITTEN = frozenset({b"host", b"content-length", b"expect"})


def without_named(pairs: HeaderPairs, connection: bytes) -> HeaderPairs:
    """Drop the fields that a Connection value names, but not those that are the proxy's own."""
    named = {option.strip(b" \t") for option in connection.lower().split(b",")}
    named -= _UNREMARKABLE_OPTIONS
    named -= _NEVER_NAMED
    named.discard(b"")
    if not named:
        return pairs
    return [pair for pair in pairs if pair[0].lower() not in named]


class ResponseFields:
    """Turns a downstream's header section into the client's."""

    def __init__(self, edits: FieldEdits) -> None:
        self._edits = edits
        self._actions: dict[bytes, int] = {}

    def __call__(
        self, received: HeaderPairs, connection: tuple[bytes, ...], length: int | None, request_id: bytes
    ) -> HeaderPairs:
        """The header pairs to send. `length` is told when it may be; None drops Content-Length.

        connection: the members of the downstream's Connection field, in lower case.
        """
        out: HeaderPairs = []
        actions = self._actions
        has_id = False
        for pair in received:
            action = actions.get(pair[0])
            if action is None:
                action = self._classify(pair[0])
            if action == _KEEP:
                out.append(pair)
            elif action == _LENGTH:
                if length is not None:
                    out.append(pair)
            elif action == _REQUEST_ID:
                has_id = True
                out.append(pair)
        if connection and not _UNREMARKABLE_OPTIONS.issuperset(connection):
            named = frozenset(connection) - {b"content-length"}
            out = [pair for pair in out if pair[0].lower() not in named]
        if request_id and not has_id:
            out.append((b"X-Request-ID", request_id))
        out += self._edits.written
        return out

    def _classify(self, name: bytes) -> int:
        lowered = name.lower()
        if lowered in HOP_BY_HOP or lowered in self._edits.removed:
            action = _DROP
        elif lowered == b"content-length":
            action = _LENGTH
        elif lowered == b"x-request-id":
            action = _REQUEST_ID
        else:
            action = _KEEP
        if len(self._actions) < _KNOWN_NAMES:
            self._actions[name] = action
        return action
