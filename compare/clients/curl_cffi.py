"""curl_cffi's AsyncSession.

Settings: one session with as many curl handles as the proxy has places, no impersonation, fields of its own,
cookies, redirects or decoding, paths as they are. Of its time-outs (connect, total) only the first is used.
"""

from __future__ import annotations

from typing import Any

from curl_cffi import CurlOpt
from curl_cffi.requests import AsyncSession, Response, exceptions
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .seam import HTTP2, Answer, Errors, Seam, Upload

ERRORS: Errors = {
    exceptions.ConnectTimeout: Kind.CONNECT_TIMEOUT,
    exceptions.Timeout: Kind.HEAD_TIMEOUT,
    exceptions.DNSError: Kind.DNS_ERROR,
    exceptions.CertificateVerifyError: Kind.TLS_CERTIFICATE,
    exceptions.SSLError: Kind.TLS_PROTOCOL,
    exceptions.ConnectionError: Kind.CONNECTION_REFUSED,
    exceptions.RequestException: Kind.CLOSED_BEFORE_HEAD,
}


class CurlCffiClient(Seam):
    name = "curl_cffi"
    errors = ERRORS

    async def open(self) -> None:
        verify: Any = self.verify  # a path is taken too
        self._session: AsyncSession[Response] = AsyncSession(
            max_clients=self.places, trust_env=False, allow_redirects=False, discard_cookies=True,
            default_headers=False, http_version="v2tls" if HTTP2 else "v1",
            curl_options={CurlOpt.PATH_AS_IS: 1, CurlOpt.PROXY: ""}, verify=verify,
        )  # fmt: skip

    async def close(self) -> None:
        await self._session.close()

    async def exchange(self, request: OutgoingRequest, upload: Upload | None) -> Answer:
        response = await self._session.request(
            request.method.decode(),  # type: ignore[arg-type]  # any other goes too
            self.url(request),
            headers=self.fields(request),
            content=upload,
            timeout=(self.timeouts.connect, 0),
            accept_encoding=None,
            discard_cookies=True,
            stream=True,
        )
        chunks = response.aiter_content()  # type: ignore[no-untyped-call]
        headers = self.pairs((name, value or "") for name, value in response.headers.multi_items())
        return Answer(response.status_code, self.phrase(response.reason), headers, chunks, response.aclose)


make_downstream = CurlCffiClient
