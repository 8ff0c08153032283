"""httpx.AsyncClient.

Settings, from its documentation: one client for the life of the application; pool limits the proxy's own;
time-outs set one by one (it has no time-out for the head alone: `read` is used for head and body); the
fields it would add are taken out of the client; `trust_env` off. Cookies cannot be turned off: its public
`Cookies` jar is emptied by passing an opener that keeps nothing.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .seam import HTTP2, Answer, Errors, Seam, Upload

ERRORS: Errors = {
    httpx.ConnectTimeout: Kind.CONNECT_TIMEOUT,
    httpx.ReadTimeout: Kind.HEAD_TIMEOUT,
    httpx.WriteTimeout: Kind.WRITE_TIMEOUT,
    httpx.PoolTimeout: Kind.QUEUE_TIMEOUT,
    httpx.ConnectError: Kind.CONNECTION_REFUSED,
    httpx.WriteError: Kind.REQUEST_NOT_TAKEN,
    httpx.NetworkError: Kind.CLOSED_BEFORE_HEAD,
    httpx.RemoteProtocolError: Kind.CLOSED_BEFORE_HEAD,
    httpx.RequestError: Kind.MALFORMED_RESPONSE,
}


class HttpxClient(Seam):
    name = "httpx"
    errors = ERRORS

    def transport(self) -> httpx.AsyncBaseTransport:
        limits = httpx.Limits(
            max_connections=self.places,
            max_keepalive_connections=self.places,
            keepalive_expiry=self.settings.pool.keep_alive,
        )
        return httpx.AsyncHTTPTransport(http2=HTTP2, limits=limits, trust_env=False)

    async def open(self) -> None:
        timeout = httpx.Timeout(self.timeouts.head, connect=self.timeouts.connect, pool=self.timeouts.pool)
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx.AsyncClient(
            transport=self.transport(), timeout=timeout, trust_env=False, cookies=jar
        )
        self._client.headers.clear()

    async def close(self) -> None:
        await self._client.aclose()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        fields = [(name, value) for name, value in request.headers]
        if request.content_length is not None:
            fields.append((b"Content-Length", b"%d" % request.content_length))
        outgoing = self._client.build_request(
            request.method.decode(), self.url(request), headers=fields, content=upload
        )
        outgoing.extensions["target"] = request.target
        response = await self._client.send(outgoing, stream=True)
        reason = response.extensions.get("reason_phrase", b"")
        return Answer(
            response.status_code, reason, response.headers.raw, response.aiter_raw(), response.aclose
        )


make_downstream = HttpxClient
