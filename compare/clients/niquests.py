"""niquests.AsyncSession.

Settings: one session of the proxy's pool size, no retries, HTTP/3, cookies, environment or redirects. Fields
come from `raw`: its view joins repeated ones. Bodies go in chunks: with a length it would send both framings.
"""

from __future__ import annotations

import niquests
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .seam import HTTP2, Answer, Errors, Seam, Upload

ERRORS: Errors = {
    niquests.ConnectTimeout: Kind.CONNECT_TIMEOUT,
    niquests.ReadTimeout: Kind.HEAD_TIMEOUT,
    niquests.exceptions.SSLError: Kind.TLS_PROTOCOL,
    niquests.exceptions.ChunkedEncodingError: Kind.CLOSED_BEFORE_HEAD,
    niquests.RequestException: Kind.CLOSED_BEFORE_HEAD,
}


class NiquestsClient(Seam):
    name = "niquests"
    errors = ERRORS

    async def open(self) -> None:
        self._session = niquests.AsyncSession(
            disable_http2=not HTTP2, disable_http3=True, pool_connections=1, pool_maxsize=self.places,
            retries=0, keepalive_idle_window=None, allow_incoming_cookies=False,
        )  # fmt: skip
        self._session.trust_env = False
        self._session.verify = self.verify
        self._session.headers.clear()

    async def close(self) -> None:
        await self._session.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        fields = self.merged_fields(request)
        fields.pop("Content-Length", None)
        response = await self._session.request(
            request.method.decode(),
            self.url(request),
            headers=fields,
            data=aiter(upload) if upload else None,
            timeout=(self.timeouts.connect, self.timeouts.head),
            allow_redirects=False,
            stream=True,
        )
        # Both are there once a response is; the library's types cannot say so.
        assert response.raw is not None
        assert response.status_code is not None
        headers = self.pairs(response.raw.headers.items())
        reason, chunks = self.phrase(response.reason), await response.iter_raw(65536)
        return Answer(response.status_code, reason, headers, chunks, response.close)


make_downstream = NiquestsClient
