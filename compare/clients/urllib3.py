"""urllib3 in a thread pool.

Settings: one pool of the proxy's own size, no retries, redirects or fields of its own (SKIP_HEADER), `read1`.
"""

from __future__ import annotations

from typing import Any

import urllib3
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest
from urllib3 import exceptions

from .seam import Errors
from .threads import Blocking, BlockingUpload, ThreadedSeam

ERRORS: Errors = {
    exceptions.ConnectTimeoutError: Kind.CONNECT_TIMEOUT,
    exceptions.NameResolutionError: Kind.DNS_ERROR,
    exceptions.NewConnectionError: Kind.CONNECTION_REFUSED,
    exceptions.ReadTimeoutError: Kind.HEAD_TIMEOUT,
    exceptions.SSLError: Kind.TLS_PROTOCOL,
    exceptions.HTTPError: Kind.CLOSED_BEFORE_HEAD,
}


class Urllib3Client(ThreadedSeam):
    name = "urllib3"
    errors = ERRORS

    def start(self) -> None:
        timeout = urllib3.Timeout(connect=self.timeouts.connect, read=self.timeouts.head)
        more: dict[str, Any] = {"ca_certs": self.ca} if self.ca else {}
        more |= {"maxsize": self.places, "block": False, "retries": False, "timeout": timeout}
        self._pool = urllib3.connection_from_url(self.base, **more)

    def stop(self) -> None:
        self._pool.close()

    def call(self, request: OutgoingRequest, body: BlockingUpload | None) -> Blocking:
        headers = urllib3.HTTPHeaderDict()
        for name, value in self.fields(request):
            headers.add(name, value)
        for name in self.unasked(request, "User-Agent", "Accept-Encoding"):
            headers[name] = urllib3.util.SKIP_HEADER
        raw = self._pool.urlopen(
            request.method.decode(),
            request.target.decode("latin-1"),
            body=body,
            headers=headers,
            redirect=False,
            preload_content=False,
        )
        reason, fields = self.phrase(raw.reason), self.pairs(raw.headers.items())
        chunks = iter(lambda: raw.read1(65536, decode_content=False), b"")
        return Blocking(raw.status, reason, fields, chunks, raw.close, raw.shutdown)


make_downstream = Urllib3Client
