"""Who is asking, through whom: trusted peers, X-Forwarded-*, Forwarded (RFC 7239), Via (RFC 9110, 7.6.3),
request ids.

Pure functions over header pairs, made once per downstream and called per request. Knows no connection.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import os
import re
import socket
from collections.abc import Iterable

from .message import HeaderPairs, IncomingRequest

_REPLACED = frozenset({b"forwarded", b"x-real-ip"})


def names_the_client(name: bytes) -> bool:
    """Whether a field (its name in lower case) is one by which proxies name the client and the outer request.

    From a peer that is not trusted such fields are claims, and are removed: some downstream believes each of
    them.
    """
    return name.startswith(b"x-forwarded-") or name in _REPLACED


_FORWARDED_FOR = re.compile(rb'(?i)(?:^|[;,])\s*for\s*=\s*"?([^";,]*)')


def clients_named(headers: HeaderPairs) -> list[str]:
    """Whom X-Forwarded-For, Forwarded and X-Real-IP name, addresses or not, as claimed: nothing is believed
    here."""
    named: list[bytes] = []
    for name, value in headers:
        lower = name.lower()
        if lower in (b"x-forwarded-for", b"x-real-ip"):
            named += value.split(b",")
        elif lower == b"forwarded":
            named += _FORWARDED_FOR.findall(value)
    return [client.strip(b" \t[]").decode("latin-1") for client in named]


def client_address(
    request: IncomingRequest, trusted: TrustedPeers | tuple[str, ...] = (), rfc: bool = False
) -> str:
    """Who is asking: the last one named on the way here that is not trusted to name others, or the peer.

    Reads X-Forwarded-For, or Forwarded when `rfc`: one of them, as the other may be the client's own. A name
    that is no address ends the search, for nothing is known of who wrote it.
    """
    client = request.peer
    if client not in trusted:
        return client
    wanted = b"forwarded" if rfc else b"x-forwarded-for"
    named = [pair for pair in request.headers if pair[0].lower() == wanted]
    for name in reversed(clients_named(named) if named else []):
        address = _plain_address(name)
        if address is None:
            break
        client = address
        if client not in trusted:
            break
    return client


def _plain_address(name: str) -> str | None:
    """An address without port and brackets (RFC 7239, section 6), None for what is none."""
    plain = name.partition("]")[0]
    if plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")
_CACHE_SIZE = 4096


class TrustedPeers:
    """Decides by address whether a peer's forwarding fields are believed. A Unix socket's peer ("") is
    trusted when every address is."""

    def __init__(self, networks: Iterable[str]) -> None:
        networks = tuple(networks)
        self._all = "*" in networks
        self._networks = [
            ipaddress.ip_network(network, strict=False) for network in networks if network != "*"
        ]
        self._known: dict[str, bool] = {}

    def __contains__(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            known = self._all or self._lies_within(peer)
            if len(self._known) < _CACHE_SIZE:
                self._known[peer] = known
        return known

    def _lies_within(self, peer: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


class RequestIds:
    """Makes ids that are unique without asking the system for randomness each time: a random start, then a
    count."""

    def __init__(self) -> None:
        self._prefix = os.urandom(8).hex().encode()
        self._count = itertools.count(1)

    def new(self) -> bytes:
        return b"%b-%x" % (self._prefix, next(self._count))


def accepted_request_id(value: bytes | None) -> bytes | None:
    """A trusted peer's request id, if it is one that can stand in a log line."""
    return value if value is not None and _REQUEST_ID.fullmatch(value) else None


def via_pseudonym(setting: str, listen: str) -> bytes | None:
    """Our name in Via, or None for no Via. `auto` gives every proxy of a chain its own, the same in each
    worker."""
    if setting == "off":
        return None
    if setting == "auto":
        return (
            b"downstream-proxy-"
            + hashlib.sha256(f"{socket.gethostname()} {listen}".encode()).hexdigest()[:8].encode()
        )
    return setting.encode()


def names_us(via_values: Iterable[bytes], pseudonym: bytes) -> bool:
    """Whether a received Via shows that the request has been here before."""
    for value in via_values:
        for entry in value.split(b","):
            words = entry.split(None, 2)
            if len(words) >= 2 and words[1] == pseudonym:
                return True
    return False


class ForwardedFields:
    """The fields that name the client, for one style of naming."""

    def __init__(self, style: str) -> None:
        self._x = style in ("x-forwarded", "both")
        self._rfc = style in ("forwarded", "both")
        self._strangers: dict[tuple[str, bytes, bytes], HeaderPairs] = {}

    def of(self, request: IncomingRequest, received: HeaderPairs, trusted: bool) -> HeaderPairs:
        """The fields to send on. `received` are the peer's own of this kind; used only when
        `trusted`."""
        if trusted and received:
            return self._fields(request, received)
        # The same few peers ask for the same few hosts: what they get is made once.
        key = (request.peer, request.scheme, request.host)
        fields = self._strangers.get(key)
        if fields is None:
            fields = self._fields(request, [])
            if len(self._strangers) >= _CACHE_SIZE:
                self._strangers.clear()
            self._strangers[key] = fields
        return fields

    def _fields(self, request: IncomingRequest, received: HeaderPairs) -> HeaderPairs:
        fields: HeaderPairs = []
        peer = request.peer.encode() or b"unknown"
        if self._x:
            earlier = [value for name, value in received if name.lower() == b"x-forwarded-for"]
            fields.append((b"X-Forwarded-For", b", ".join([*earlier, peer]) if earlier else peer))
            fields.append((b"X-Forwarded-Proto", _last(received, b"x-forwarded-proto") or request.scheme))
            host = _last(received, b"x-forwarded-host") or request.host
            if host:
                fields.append((b"X-Forwarded-Host", host))
        if self._rfc:
            earlier = [value for name, value in received if name.lower() == b"forwarded"]
            fields.append((b"Forwarded", b", ".join([*earlier, _forwarded_element(request, peer)])))
        written = {name.lower() for name, _ in fields}
        return fields + [pair for pair in received if pair[0].lower() not in written]


def _last(received: HeaderPairs, name: bytes) -> bytes | None:
    return next((value for other, value in reversed(received) if other.lower() == name), None)


def _forwarded_element(request: IncomingRequest, peer: bytes) -> bytes:
    """One element of Forwarded; IPv6 in brackets and quotes (RFC 7239, section 6)."""
    node = b'"[%b]"' % peer if b":" in peer else peer
    element = b"for=%b;proto=%b" % (node, request.scheme)
    if request.host:
        element += b';host="%b"' % request.host
    return element
