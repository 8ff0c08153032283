"""wreq's Client (formerly rnet).

Settings: one client for the application with the proxy's own pool limits and time-outs (`read` stands for
head and body), no browser emulated, redirects, referer, system proxies and decompression off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import wreq
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .seam import HTTP2, Answer, Errors, Seam, Upload

ERRORS: Errors = {
    wreq.TimeoutError: Kind.HEAD_TIMEOUT,
    wreq.TlsError: Kind.TLS_PROTOCOL,
    wreq.ConnectionError: Kind.CONNECTION_REFUSED,
    Exception: Kind.CLOSED_BEFORE_HEAD,  # its errors have no base of their own
}
RAW: dict[str, Any] = {"gzip": False, "brotli": False, "deflate": False, "zstd": False}


async def _chunks(response: wreq.Response) -> AsyncIterator[bytes]:
    async for part in response.stream():
        yield b"" if isinstance(part, wreq.HeaderMap) else bytes(part)  # the trailers come last


class WreqClient(Seam):
    name = "wreq"
    errors = ERRORS

    async def open(self) -> None:
        limits = (self.timeouts.connect, self.timeouts.head, self.settings.pool.keep_alive)
        connect, read, keep = (timedelta(seconds=limit) for limit in limits)
        self._client = wreq.Client(
            http1_only=not HTTP2, no_proxy=True, referer=False, redirect=wreq.Policy.none(), **RAW,
            connect_timeout=connect, read_timeout=read, pool_idle_timeout=keep,
            tls_verify=Path(self.ca) if self.ca else True, pool_max_size=self.places,
        )  # fmt: skip

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        fields, order = wreq.HeaderMap(), wreq.OrigHeaderMap()
        for name, value in self.fields(request):
            fields.append(name, value)
            order.insert(name)
        body: dict[str, Any] = {"body": aiter(upload)} if upload else {}
        body |= {"headers": fields, "orig_headers": order, "default_headers": False}
        method = getattr(wreq.Method, request.method.decode())
        response = await self._client.request(method, self.url(request), **body)
        headers = [(bytes(name), bytes(value)) for name, value in response.headers]
        return Answer(response.status.as_int(), b"", headers, _chunks(response), response.close)


make_downstream = WreqClient
