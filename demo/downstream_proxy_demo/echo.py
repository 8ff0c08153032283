"""Says what arrived: method, target byte for byte, header pairs in order, and the body's length and digest.

The answer is read to see what a proxy changed, so nothing is decoded, sorted, merged or left out here. Bytes
above 0x7F are shown as Latin-1, one character for each byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from aiohttp import web

from .bounds import MIB
from .endpoint import ANY, Endpoint

MAX_BODY = 64 * MIB
SMALL_BODY = 4096


@dataclass(frozen=True, slots=True)
class Digest:
    """A body as counted: `length` in bytes, hex `sha256`, its first SMALL_BODY bytes, number of reads."""

    length: int
    sha256: str
    start: bytes
    pieces: int


async def digest_body(request: web.Request, limit: int) -> Digest:
    """Reads the whole body in bounded memory; raises HTTPRequestEntityTooLarge above `limit` bytes."""
    digest, length, start, pieces = hashlib.sha256(), 0, b"", 0
    async for piece in request.content.iter_any():
        length += len(piece)
        if length > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=length)
        pieces += 1
        digest.update(piece)
        if len(start) < SMALL_BODY:
            start += piece[: SMALL_BODY - len(start)]
    return Digest(length, digest.hexdigest(), start, pieces)


def json_answer(value: object, status: int = 200) -> web.Response:
    """`value` as JSON laid out for a person at a terminal: a member or pair a line, a newline at the end."""
    return web.Response(body=f"{_laid_out(value)}\n".encode(), status=status, content_type="application/json")


def _laid_out(value: object, indent: str = "") -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and not indent:
        members = [f"{json.dumps(name)}: {_laid_out(member, deeper)}" for name, member in value.items()]
        return "{\n" + ",\n".join(deeper + member for member in members) + "\n" + indent + "}"
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        items = [deeper + json.dumps(item, ensure_ascii=False) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + indent + "]"
    return json.dumps(value, ensure_ascii=False)


def raw_target(request: web.Request) -> str:
    """The request target as it stood on the request line, one character for each byte."""
    return request.raw_path.encode("utf-8", "surrogateescape").decode("latin-1")


def small_text(digest: Digest) -> str | None:
    """The body as text when it is short and UTF-8, else None."""
    if digest.length > SMALL_BODY:
        return None
    try:
        return digest.start.decode()
    except UnicodeDecodeError:
        return None


async def echo(request: web.Request) -> web.Response:
    """Everything about the request. JSON: method, target, version, headers as [name, value] pairs, body."""
    digest = await digest_body(request, MAX_BODY)
    answer = json_answer(
        {
            "method": request.method,
            "target": raw_target(request),
            "version": f"HTTP/{request.version.major}.{request.version.minor}",
            "headers": [[field.decode("latin-1") for field in pair] for pair in request.raw_headers],
            "body": {"length": digest.length, "sha256": digest.sha256, "text": small_text(digest)},
        }
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


ENDPOINTS = (
    Endpoint(
        ANY,
        "/echo{rest:(/.*)?}",
        echo,
        "/echo/a%2Fb?q=%7E",
        "raw target, header pairs, body digest",
    ),
    Endpoint(ANY, "/anything{rest:(/.*)?}", echo, "/anything", "the same, under the name httpbin gave it"),
)
