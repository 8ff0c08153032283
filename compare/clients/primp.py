"""primp's AsyncClient.

Settings: one client for the application, no impersonation, cookie store, referer and redirects off, connect
and read time-outs. It has no limit of its own for connections, decodes what it receives and cannot be told
not to, follows HTTP_PROXY unless NO_PROXY is set for the process, sends bodies only from memory, and gives
fields as a dict: a body is collected first, and the two fields that decoding makes untrue are dropped.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import primp
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .seam import Answer, Errors, Seam, Upload

ERRORS: Errors = {
    primp.DNSError: Kind.DNS_ERROR,
    primp.ConnectError: Kind.CONNECTION_REFUSED,
    primp.TimeoutError: Kind.HEAD_TIMEOUT,
    primp.PrimpError: Kind.CLOSED_BEFORE_HEAD,
}
DECODED = ("content-encoding", "content-length")


class PrimpClient(Seam):
    name = "primp"
    errors = ERRORS

    async def open(self) -> None:
        os.environ["NO_PROXY"] = urlsplit(self.base).hostname or ""
        self._client = primp.AsyncClient(
            cookie_store=False,
            referer=False,
            ca_cert_file=self.ca,
            follow_redirects=False,
            connect_timeout=self.timeouts.connect,
            read_timeout=self.timeouts.head,
        )

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        response = await self._client.request(
            request.method.decode(),
            self.url(request),
            headers=self.merged_fields(request),
            content=b"".join([chunk async for chunk in upload]) if upload else None,
            stream=True,
        )
        fields = response.headers
        if "content-encoding" in fields:
            fields = {name: value for name, value in fields.items() if name not in DECODED}
        # It joins repeated fields with line feeds.
        headers = self.pairs((name, line) for name, value in fields.items() for line in value.split("\n"))
        return Answer(response.status_code, b"", headers, response.aiter_bytes(), response.aclose)


make_downstream = PrimpClient
