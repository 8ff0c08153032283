"""aiohttp's ClientSession.

Settings, from its documentation for servers: one session for the life of the application, a connector whose
limit is the proxy's own, `total` time-out off, DummyCookieJar, no automatic decompression, none of the
fields it would add, and redirects not followed. Its own retry of idempotent requests on a dead kept
connection stays on (it cannot be turned off per session by public API).
"""

from __future__ import annotations

import aiohttp
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest
from yarl import URL

from .seam import Answer, Errors, Seam, Upload

ERRORS: Errors = {
    aiohttp.ConnectionTimeoutError: Kind.CONNECT_TIMEOUT,
    aiohttp.ServerTimeoutError: Kind.HEAD_TIMEOUT,
    aiohttp.ClientConnectorDNSError: Kind.DNS_ERROR,
    aiohttp.ClientConnectorCertificateError: Kind.TLS_CERTIFICATE,
    aiohttp.ClientSSLError: Kind.TLS_PROTOCOL,
    aiohttp.ClientConnectorError: Kind.CONNECTION_REFUSED,
    aiohttp.ServerDisconnectedError: Kind.CLOSED_BEFORE_HEAD,
    aiohttp.ClientOSError: Kind.CLOSED_BEFORE_HEAD,
    aiohttp.ClientPayloadError: Kind.CLOSED_BEFORE_HEAD,
    aiohttp.ClientResponseError: Kind.MALFORMED_RESPONSE,
    aiohttp.ClientError: Kind.CLOSED_BEFORE_HEAD,
}


class AiohttpClient(Seam):
    name = "aiohttp ClientSession"
    errors = ERRORS

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.places, keepalive_timeout=self.settings.pool.keep_alive
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self.timeouts.connect, sock_read=self.timeouts.head
            ),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        await self._session.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        response = await self._session.request(
            request.method.decode(),
            URL(self.url(request), encoded=True),
            headers=self.fields(request),
            data=aiter(upload) if upload else None,
            allow_redirects=False,
        )

        async def close() -> None:
            response.close()

        reason = (response.reason or "").encode("latin-1", "replace")
        return Answer(response.status, reason, list(response.raw_headers), response.content.iter_any(), close)


make_downstream = AiohttpClient
