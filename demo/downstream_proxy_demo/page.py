"""Serves the page and its sub-resources from the package's `static` folder, each with a validator."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from aiohttp import web

from .endpoint import Endpoint

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FILES = ("page.css", "checks.js", "widgets.js", "page.js", "image.svg")


@cache
def _content(name: str) -> tuple[bytes, str]:
    body = files(__package__).joinpath("static", name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def static_file(name: str, request: web.Request) -> web.Response:
    """One file of the folder, or 304 when the client's If-None-Match names it."""
    body, tag = _content(name)
    headers = {"Content-Type": _TYPES[name.rpartition(".")[2]], "ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
    return web.Response(body=body, headers=headers)


async def page(request: web.Request) -> web.Response:
    """The page that tries every kind of answer through whatever it was loaded through."""
    return static_file("page.html", request)


async def page_part(request: web.Request) -> web.Response:
    """A style sheet or script of the page; 404 for any other name."""
    name = request.match_info["name"]
    if name not in _FILES:
        raise web.HTTPNotFound
    return static_file(name, request)


ENDPOINTS = (
    Endpoint(("GET",), "/html", page, "/html", "a page that tries everything in this list"),
    Endpoint(("GET",), "/static/{name}", page_part, "/static/page.css", "what the page loads"),
)
