"""httpx.AsyncClient.

Settings, from its documentation: one client for the application, the proxy's own pool limits, time-outs one
by one (`read` stands for head and body: it has none for the head alone), no fields of its own, `trust_env`
off. Cookies cannot be turned off, so it is given a jar whose policy keeps none; the target goes by its
documented `target` extension, as its URL would be normalised.
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
    httpx.RequestError: Kind.CLOSED_BEFORE_HEAD,
}


class HttpxClient(Seam):
    name = "httpx"
    errors = ERRORS

    def transport(self, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(http2=HTTP2, verify=self.tls, limits=limits, trust_env=False)

    async def open(self) -> None:
        keep = self.settings.pool.keep_alive
        limits = httpx.Limits(
            max_connections=self.places, max_keepalive_connections=self.places, keepalive_expiry=keep
        )
        timeout = httpx.Timeout(self.timeouts.head, connect=self.timeouts.connect, pool=self.timeouts.pool)
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx.AsyncClient(transport=self.transport(limits), timeout=timeout, cookies=jar)
        self._client.headers.clear()

    async def close(self) -> None:
        await self._client.aclose()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        method, url = request.method.decode(), self.url(request)
        outgoing = self._client.build_request(method, url, headers=self.raw_fields(request), content=upload)
        outgoing.extensions["target"] = request.target
        response = await self._client.send(outgoing, stream=True)
        reason = response.extensions.get("reason_phrase", b"")
        content = response.aiter_raw()
        return Answer(response.status_code, reason, response.headers.raw, content, response.aclose)


make_downstream = HttpxClient
