"""An app that relays `aiter_bytes` (decoded) with the downstream's own fields, as copies of the answer do."""

from __future__ import annotations

import asyncio
import gzip

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

CLAIM = (
    "A decoded body sent on with the original Content-Encoding or Content-Length is broken for the client."
)
TEXT = b"hello " * 100


def _downstream(_: httpx.Request) -> httpx.Response:
    packed = gzip.compress(TEXT)
    return httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed)


def _app() -> FastAPI:
    app = FastAPI()
    client = httpx.AsyncClient(transport=httpx.MockTransport(_downstream))

    @app.get("/")
    async def proxy() -> StreamingResponse:
        answer = await client.send(client.build_request("GET", "http://downstream/"), stream=True)
        return StreamingResponse(answer.aiter_bytes(), headers=answer.headers)

    return app


async def _ask() -> str:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as user:
        try:
            return "content as sent" if (await user.get("/")).content == TEXT else "other content"
        except httpx.DecodingError as error:
            return f"DecodingError: {error}"


def check() -> tuple[bool, str]:
    seen = asyncio.run(_ask())
    return seen != "content as sent", f"the client of such an app sees: {seen}"
