"""pycurl in a thread pool.

Settings: a stack of handles, each with its own connection; target as it is, none of the fields it would add,
no redirects, cookies or decoding (curl's defaults), its low-speed limit as time-out of head and body. An
answer is read step by step (see curl_steps.py).
"""

from __future__ import annotations

import pycurl
from downstream_proxy.errors import ErrorKind as Kind
from downstream_proxy.message import OutgoingRequest

from .curl_steps import transfer
from .threads import Blocking, BlockingUpload, ThreadedSeam

KINDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: Kind.DNS_ERROR, pycurl.E_COULDNT_CONNECT: Kind.CONNECTION_REFUSED,
    pycurl.E_OPERATION_TIMEDOUT: Kind.HEAD_TIMEOUT, pycurl.E_SSL_CONNECT_ERROR: Kind.TLS_PROTOCOL,
    pycurl.E_PEER_FAILED_VERIFICATION: Kind.TLS_CERTIFICATE,
}  # fmt: skip


class PycurlClient(ThreadedSeam):
    name = "pycurl"

    def start(self) -> None:
        self._idle: list[tuple[pycurl.Curl, pycurl.CurlMulti]] = []

    def kind(self, error: Exception) -> Kind | None:
        return KINDS.get(error.args[0], Kind.CLOSED_BEFORE_HEAD) if isinstance(error, pycurl.error) else None

    def call(self, request: OutgoingRequest, body: BlockingUpload | None) -> Blocking:
        pair = self._idle.pop() if self._idle else (pycurl.Curl(), pycurl.CurlMulti())
        for name, value in self._options(request, body).items():
            pair[0].setopt(getattr(pycurl, name), value)
        return transfer(*pair, lambda: self._idle.append(pair))

    def _options(self, request: OutgoingRequest, body: BlockingUpload | None) -> dict[str, object]:
        fields = [f"{name}: {value}" if value else f"{name};" for name, value in self.fields(request)]
        fields += [f"{name}:" for name in self.unasked(request, "User-Agent", "Accept", "Expect")]
        upload = {"UPLOAD": 1, "READFUNCTION": body.read, "INFILESIZE_LARGE": body.length} if body else {}
        trusted = {"CAINFO": self.ca} if self.ca else {}
        return upload | trusted | {
            "URL": self.base, "REQUEST_TARGET": request.target, "CUSTOMREQUEST": request.method, "PROXY": "",
            "NOBODY": request.method == b"HEAD", "HTTPHEADER": [field.encode("latin-1") for field in fields],
            "NOSIGNAL": 1, "LOW_SPEED_LIMIT": 1, "LOW_SPEED_TIME": max(1, round(self.timeouts.head)),
            "CONNECTTIMEOUT_MS": round(self.timeouts.connect * 1000),
        }  # fmt: skip


make_downstream = PycurlClient
