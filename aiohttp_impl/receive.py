"""A request as aiohttp itself has read it: for servers other than ours."""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.message import IncomingRequest


def received_request(request: web.Request) -> IncomingRequest:
    """The request in the engine's terms, from aiohttp's view of it."""
    return IncomingRequest(
        method=request.method.encode("ascii"),
        target=request.raw_path.encode("latin-1"),
        headers=list(request.raw_headers),
        host=request.headers.get("Host", "").encode("latin-1"),
        minor=request.version.minor,
        body=request.content if request.body_exists else None,
        content_length=request.content_length,
        peer=request.remote or "",
        scheme=request.scheme.encode("ascii"),
    )
