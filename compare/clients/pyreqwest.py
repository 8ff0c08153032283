"""pyreqwest's Client (Rust's reqwest).

Settings: one client for the application with the proxy's own pool limits and time-outs (`read` stands for
head and body), redirects, referer, decompression and system proxies off; it names itself in every request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest
from pyreqwest import exceptions
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.response import Response

from .seam import HTTP2, Answer, Errors, Seam, Upload

ERRORS: Errors = {
    exceptions.ConnectTimeoutError: Kind.CONNECT_TIMEOUT,
    exceptions.RequestTimeoutError: Kind.HEAD_TIMEOUT,
    exceptions.ConnectError: Kind.CONNECTION_REFUSED,
    exceptions.PyreqwestError: Kind.CLOSED_BEFORE_HEAD,
    ValueError: Kind.MALFORMED_RESPONSE,  # fields with bytes above 0x7f cannot be read
}


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    while (chunk := await response.body_reader.read_chunk()) is not None:
        yield bytes(chunk)


class PyreqwestClient(Seam):
    name = "pyreqwest"
    errors = ERRORS

    async def open(self) -> None:
        made = ClientBuilder().http2(HTTP2).max_connections(self.places).pool_max_idle_per_host(self.places)
        made = made.gzip(False).brotli(False).zstd(False).deflate(False).follow_redirects(False)
        made = made.connect_timeout(timedelta(seconds=self.timeouts.connect)).referer(False).no_proxy()
        keep, read = self.settings.pool.keep_alive, self.timeouts.head
        made = made.read_timeout(timedelta(seconds=read)).pool_idle_timeout(timedelta(seconds=keep))
        made = made.add_root_certificate_pem(self.pem) if self.pem else made
        self._client: Client = await made.build().__aenter__()

    async def close(self) -> None:
        await self._client.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        made = self._client.request(request.method.decode(), self.url(request)).headers(self.fields(request))
        sending = (made.body_stream(upload) if upload else made).build_streamed()
        response = await sending.__aenter__()
        headers = self.pairs(response.headers.items())
        close = partial(sending.__aexit__, None, None, None)
        return Answer(response.status, b"", headers, _chunks(response), close)


make_downstream = PyreqwestClient
