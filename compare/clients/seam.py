"""What the client libraries of the comparison share beyond the engine's client_library.

A file in this folder gives one coroutine, `exchange`, which sends a request by its library's public API and
returns an Answer, and one table from the library's exceptions to error kinds. Nothing here repairs what a
library does to a message: that is what is measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from downstream_proxy.client_library import Errors, LibraryDownstream, Upload, encoded, later
from downstream_proxy.client_library import LibraryAnswer as Answer
from downstream_proxy.connecting import Address, tls_context
from downstream_proxy.message import HeaderPairs, OutgoingRequest
from downstream_proxy.settings import DownstreamSettings

# The names that a file in this folder needs, in one import.
__all__ = ["HTTP2", "Answer", "Errors", "Seam", "Upload", "later"]

#: "1" lets a library that can speak HTTP/2 negotiate it. Off by default: all are compared over HTTP/1.1.
HTTP2 = os.environ.get("COMPARE_HTTP2") == "1"


class Seam(LibraryDownstream):
    """A library behind the seam. The attributes are the settings in the shapes that libraries take them in.

    places: connections. ca: a file's path; pem: what is in it. verify: as requests knows it.
    """

    def __init__(self, settings: DownstreamSettings, address: Address) -> None:
        super().__init__(settings, address)
        self.places = settings.pool.max_connections
        self.ca = str(settings.tls.ca) if settings.tls.ca else None
        self.pem = Path(self.ca).read_bytes() if self.ca else b""
        self.verify = self.ca or True
        self.tls = tls_context(settings)

    def raw_fields(self, request: OutgoingRequest) -> HeaderPairs:
        """`fields` as bytes."""
        if request.content_length is None:
            return request.headers
        return [*request.headers, (b"Content-Length", b"%d" % request.content_length)]

    def merged_fields(self, request: OutgoingRequest) -> dict[str, str]:
        """For a library that takes a dict: repeated fields joined (RFC 9110, section 5.3; cookies
        as in RFC 9113, section 8.2.3)."""
        merged: dict[str, str] = {}
        names: dict[str, str] = {}
        for name, value in self.fields(request):
            name = names.setdefault(name.lower(), name)
            between = "; " if name.lower() == "cookie" else ", "
            merged[name] = f"{merged[name]}{between}{value}" if name in merged else value
        return merged

    def unasked(self, request: OutgoingRequest, *names: str) -> list[str]:
        """Which of these fields the client did not send."""
        sent = {name.lower() for name, _ in request.headers}
        return [name for name in names if name.lower().encode() not in sent]

    def pairs(self, fields: Iterable[tuple[str, str]]) -> HeaderPairs:
        """A library's fields as bytes."""
        return [(encoded(name), encoded(value)) for name, value in fields]
