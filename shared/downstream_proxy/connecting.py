"""How a downstream is reached: URL, TLS, name lookup, pool, all through aiohttp's ClientSession and its
connector.

The only place that builds a ClientSession, and the table from aiohttp's and the system's exceptions to error
kinds.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from .errors import ErrorKind, ProxyError
from .name_watch import NameWatch, watch
from .resolving import BoundedResolver, LookupTimeoutError
from .settings import DownstreamSettings

DNS_SECONDS = 10
"""How long a resolved address is kept: a change of DNS is followed within that time."""

LOOKUP_SHARE = 0.95
"""How much of `timeouts.connect` the name lookup may take: less than all of it, so that a lookup that hangs
is told apart from a connection that does."""


class AddressProhibitedError(OSError):
    """The resolved address is not one this downstream may have."""


@dataclass(frozen=True, slots=True)
class Address:
    """A downstream's URL, taken apart once. authority: for Host. base_path: put before every target, no final
    slash."""

    url: URL
    authority: bytes
    base_path: bytes

    @classmethod
    def parse(cls, text: str) -> Address:
        url = URL(text, encoded=True)
        authority = text.partition("://")[2].partition("/")[0]
        base = text.partition("://")[2].partition("/")[2]
        return cls(
            url,
            authority.encode("idna" if not authority.isascii() else "ascii"),
            f"/{base}".rstrip("/").encode(),
        )


def tls_context(settings: DownstreamSettings) -> ssl.SSLContext | bool:
    """The context for an https downstream. Verification is on unless it was switched off in so many words."""
    tls = settings.tls
    if not (tls.ca or tls.cert) and tls.verify:
        return True
    context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
    if tls.cert:
        context.load_cert_chain(str(tls.cert), str(tls.key) if tls.key else None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def refuse_private(info: Any) -> socket.socket:
    """A socket for an address that is public, else AddressProhibitedError: aiohttp asks after the name is
    resolved, so no name and no spelling of an address can go around this."""
    family, kind, proto, _, sockaddr = info
    if not is_public(ipaddress.ip_address(sockaddr[0].partition("%")[0])):
        raise AddressProhibitedError(errno.EACCES, "address is not public")
    return socket.socket(family, kind, proto)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address, and the IPv4 address inside it when there is one (mapped, 6to4, Teredo, NAT64), is
    one host on the public network."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        inner = [address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(part is not None and not is_public(part) for part in inner):
            return False
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1."""


def make_resolver(settings: DownstreamSettings) -> BoundedResolver:
    return BoundedResolver(settings.timeouts.connect * LOOKUP_SHARE)


def watch_name(settings: DownstreamSettings, address: Address) -> NameWatch | None:
    """Follows the name in an address; None when there is none, or when connections end at a proxy of the
    environment's."""
    host, port = address.url.host, address.url.port
    if settings.trust_env or host is None or port is None:
        return None
    return watch(host, port, DNS_SECONDS, lambda: make_resolver(settings))


def make_session(
    settings: DownstreamSettings, tracing: list[aiohttp.TraceConfig] | None = None
) -> aiohttp.ClientSession:
    """A session that adds nothing of its own: no cookie jar, no decompression, no identity, no time-out, no
    queue.

    Places are counted in `admission`, so the connector has no limit. Call it within the loop that will use
    it. tracing: who is told of the steps of a request made by the session itself.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=settings.pool.keep_alive or None,
        force_close=settings.pool.keep_alive == 0,
        resolver=make_resolver(settings),
        ttl_dns_cache=DNS_SECONDS,
        ssl=tls_context(settings),
        socket_factory=None if settings.allow_private else refuse_private,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=None, connect=settings.timeouts.connect, ceil_threshold=float("inf")
        ),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        trust_env=settings.trust_env,
        trace_configs=tracing,
    )


_ERRNO = {
    errno.ECONNREFUSED: ErrorKind.CONNECTION_REFUSED,
    errno.EMFILE: ErrorKind.OUT_OF_DESCRIPTORS,
    errno.ENFILE: ErrorKind.OUT_OF_DESCRIPTORS,
    errno.ETIMEDOUT: ErrorKind.CONNECT_TIMEOUT,
}


def connect_error(error: BaseException) -> ProxyError:
    """What an exception met while connecting means. Decided by type and errno, never by text."""
    if isinstance(error, TimeoutError):
        return ProxyError(ErrorKind.CONNECT_TIMEOUT)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        if isinstance(error.os_error, LookupTimeoutError):
            return ProxyError(ErrorKind.DNS_TIMEOUT)
        return ProxyError(ErrorKind.DNS_ERROR)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return ProxyError(ErrorKind.TLS_CERTIFICATE)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError | ConnectionAbortedError):
        return ProxyError(ErrorKind.TLS_PROTOCOL)
    os_error = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return ProxyError(_os_error_kind(os_error))


def _os_error_kind(error: BaseException) -> ErrorKind:
    if isinstance(error, AddressProhibitedError):
        return ErrorKind.ADDRESS_PROHIBITED
    if isinstance(error, ConnectionResetError) or (
        isinstance(error, OSError) and error.errno == errno.ECONNRESET
    ):
        return ErrorKind.TLS_PROTOCOL
    if isinstance(error, OSError) and error.errno is not None:
        return _ERRNO.get(error.errno, ErrorKind.UNREACHABLE)
    return ErrorKind.UNREACHABLE
