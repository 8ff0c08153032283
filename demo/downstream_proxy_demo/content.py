"""Content codings, validators, ranges and an image: handed on as they are (RFC 9110: 8.4, 13, 14)."""

from __future__ import annotations

import gzip as gzip_codec
import json
import re
import zlib

from aiohttp import web

from .bounds import MIB, BadInputError, path_integer
from .endpoint import Endpoint
from .page import static_file

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})\Z")
_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_SAMPLE = {"text": "the same sentence again and again; " * 40, "grüße": "ÄÖÜ"}
_TEXT = json.dumps(_SAMPLE, ensure_ascii=False).encode()


async def gzip(_request: web.Request) -> web.Response:
    """JSON in gzip, whatever Accept-Encoding says."""
    return _coded("gzip", gzip_codec.compress(_TEXT, mtime=0))


async def deflate(_request: web.Request) -> web.Response:
    """JSON in deflate (the zlib format, RFC 1950), whatever Accept-Encoding says."""
    return _coded("deflate", zlib.compress(_TEXT))


def _coded(coding: str, body: bytes) -> web.Response:
    headers = {"Content-Encoding": coding, "ETag": f'"{coding}-1"', "Vary": "Accept-Encoding"}
    return web.Response(body=body, headers=headers, content_type="application/json")


async def etag(request: web.Request) -> web.Response:
    """A body with the given entity tag; honours If-None-Match (304) and If-Match (412), RFC 9110, 13.1."""
    tag = request.match_info["tag"]
    if not _TAG.match(tag):
        raise BadInputError("tag must be 1 to 64 letters, digits, dots, hyphens or underscores")
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if (wanted := request.headers.get("If-Match")) is not None and not _names(wanted, tag):
        return web.Response(status=412, text="the entity tag differs\n", headers=headers)
    if (known := request.headers.get("If-None-Match")) is not None and _names(known, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(text=f"the entity tag of this is {tag}\n", headers=headers)


def _names(field: str, tag: str) -> bool:
    return field.strip() == "*" or tag in _ENTITY_TAG.findall(field)


async def byte_range(request: web.Request) -> web.Response:
    """`n` letters; one byte range gives 206 or 416, several are answered with the whole (RFC 9110, 14.2)."""
    n = path_integer(request, "n", 1, MIB)
    whole = (b"abcdefghijklmnopqrstuvwxyz" * (n // 26 + 1))[:n]
    headers = {"Accept-Ranges": "bytes", "ETag": f'"range-{n}"', "Content-Type": "application/octet-stream"}
    match = _RANGE.match(request.headers.get("Range", ""))
    condition = request.headers.get("If-Range")
    positions = _positions(match[1], match[2], n) if match else None
    if positions is None or (condition is not None and condition != headers["ETag"]):
        return web.Response(body=whole, headers=headers)
    first, last = positions
    if first > last:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{n}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{n}"
    return web.Response(status=206, body=whole[first : last + 1], headers=headers)


def _positions(first: str, last: str, n: int) -> tuple[int, int] | None:
    """First and last position of `first-last` or the suffix `-last`.

    None when the range is invalid and has to be ignored; first > last when it is valid but nothing is there.
    """
    if not first:
        return (n - min(int(last), n), n - 1) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), n - 1) if last else n - 1


async def image(request: web.Request) -> web.Response:
    """A small drawing of client, proxy and downstream."""
    return static_file("image.svg", request)


ENDPOINTS = (
    Endpoint(("GET",), "/gzip", gzip, "/gzip", "JSON in gzip"),
    Endpoint(("GET",), "/deflate", deflate, "/deflate", "JSON in deflate"),
    Endpoint(("GET",), "/etag/{tag}", etag, "/etag/v1", "If-None-Match gives 304, If-Match 412"),
    Endpoint(("GET",), "/range/{n}", byte_range, "/range/1000", "n letters; Range gives 206 or 416"),
    Endpoint(("GET",), "/image.svg", image, "/image.svg", "a picture"),
)
