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
from .settings import DownstreamSettings

DNS_SECONDS = 10
"""How long a resolved address is kept: a change of DNS is followed within that time."""


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
    address = ipaddress.ip_address(sockaddr[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_global:
        raise AddressProhibitedError(errno.EACCES, "address is not public")
    return socket.socket(family, kind, proto)


def make_session(settings: DownstreamSettings) -> aiohttp.ClientSession:
    """A session that adds nothing of its own: no cookie jar, no decompression, no identity, no time-out, no
    queue.

    Places are counted in `admission`, so the connector has no limit. Call it within the loop that will use
    it.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=settings.pool.keep_alive or None,
        force_close=settings.pool.keep_alive == 0,
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
        if isinstance(error.os_error, TimeoutError):
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
    if isinstance(error, BaseExceptionGroup):
        # Happy eyeballs tried several addresses: the last one speaks for all.
        return _os_error_kind(error.exceptions[-1])
    if isinstance(error, ConnectionResetError) or (
        isinstance(error, OSError) and error.errno == errno.ECONNRESET
    ):
        return ErrorKind.TLS_PROTOCOL
    if isinstance(error, OSError) and error.errno is not None:
        return _ERRNO.get(error.errno, ErrorKind.UNREACHABLE)
    return ErrorKind.UNREACHABLE
