"""aiohttp's ClientSession.

Settings, from its documentation: one session, the proxy's pool limit, `total` off, no cookie jar,
decompression, fields or redirects of its own. Its retry of idempotent requests stays: public API cannot turn
it off. Repeated fields are given in one case: it loses those that differ in it.
"""

from __future__ import annotations

import aiohttp
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest
from yarl import URL

from .seam import Answer, Errors, Seam, Upload, later

ERRORS: Errors = {
    aiohttp.ConnectionTimeoutError: Kind.CONNECT_TIMEOUT,
    aiohttp.ServerTimeoutError: Kind.HEAD_TIMEOUT,
    aiohttp.ClientConnectorDNSError: Kind.DNS_ERROR,
    aiohttp.ClientConnectorCertificateError: Kind.TLS_CERTIFICATE,
    aiohttp.ClientSSLError: Kind.TLS_PROTOCOL,
    aiohttp.ClientConnectorError: Kind.CONNECTION_REFUSED,
    aiohttp.ClientResponseError: Kind.MALFORMED_RESPONSE,
    aiohttp.ClientError: Kind.CLOSED_BEFORE_HEAD,
}


class AiohttpClient(Seam):
    name = "aiohttp ClientSession"
    errors = ERRORS

    async def open(self) -> None:
        keep = self.settings.pool.keep_alive
        pool = aiohttp.TCPConnector(limit=self.places, keepalive_timeout=keep, ssl=self.tls)
        self._session = aiohttp.ClientSession(
            connector=pool,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(None, None, self.timeouts.head, self.timeouts.connect),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        await self._session.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        response = await self._session.request(
            request.method.decode(),
            URL(self.url(request), encoded=True),
            headers=self.one_case_fields(request),
            data=aiter(upload) if upload else None,
            allow_redirects=False,
            expect100=request.expects_continue,
        )
        headers, chunks = list(response.raw_headers), response.content.iter_any()
        return Answer(response.status, self.phrase(response.reason), headers, chunks, later(response.close))


make_downstream = AiohttpClient
