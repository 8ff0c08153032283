"""requests in a thread pool.

Settings: one Session for the application, an adapter with the proxy's own pool size that never retries,
`trust_env` off, no fields of its own, a cookie policy that keeps none, redirects not followed, and the answer
streamed by `raw.read1`, undecoded. The prepared URL is set once more, as preparing quotes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy

import requests
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from .seam import Errors
from .threads import Blocking, BlockingUpload, ThreadedSeam

ERRORS: Errors = {
    requests.ConnectTimeout: Kind.CONNECT_TIMEOUT,
    requests.ReadTimeout: Kind.HEAD_TIMEOUT,
    requests.exceptions.SSLError: Kind.TLS_PROTOCOL,
    ReadTimeoutError: Kind.HEAD_TIMEOUT,  # reading `raw`, its errors are urllib3's
    requests.RequestException: Kind.CLOSED_BEFORE_HEAD,
    HTTPError: Kind.CLOSED_BEFORE_HEAD,
}


class RequestsClient(ThreadedSeam):
    name = "requests"
    errors = ERRORS

    def start(self) -> None:
        session = self._session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        session.headers.clear()
        session.headers.update({"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER})
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        session.mount(self.base, HTTPAdapter(1, self.places, max_retries=0))

    def call(self, request: OutgoingRequest, body: BlockingUpload | None) -> Blocking:
        fields = self.merged_fields(request)
        made = requests.Request(request.method.decode(), self.url(request), headers=fields, data=body)
        prepared = self._session.prepare_request(made)
        prepared.url = self.url(request)
        limits = (self.timeouts.connect, self.timeouts.head)
        response = self._session.send(prepared, stream=True, timeout=limits, allow_redirects=False)
        raw = response.raw
        reason, headers = self.phrase(raw.reason), self.pairs(raw.headers.items())
        chunks: Iterator[bytes] = iter(lambda: raw.read1(65536, decode_content=False), b"")
        return Blocking(raw.status, reason, headers, chunks, response.close, raw.shutdown)


make_downstream = RequestsClient
