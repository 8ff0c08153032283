"""The upload sink: reads a body in bounded memory and says how many bytes came, with their digest."""

from __future__ import annotations

import time

from aiohttp import web

from .bounds import MIB
from .echo import digest_body, json_answer
from .endpoint import Endpoint

MAX_UPLOAD = 4096 * MIB


async def upload(request: web.Request) -> web.Response:
    """JSON: bytes, sha256 (hex), pieces (reads it took: many when the body was streamed), seconds."""
    began = time.monotonic()
    digest = await digest_body(request, MAX_UPLOAD)
    return json_answer(
        {
            "bytes": digest.length,
            "sha256": digest.sha256,
            "pieces": digest.pieces,
            "seconds": round(time.monotonic() - began, 3),
        }
    )


ENDPOINTS = (
    Endpoint(
        ("POST", "PUT"), "/upload", upload, "/upload", "a sink that counts and hashes bytes", opens=False
    ),
)
