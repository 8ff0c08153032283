"""httpx in lifespan; the answer chunk by chunk out of a generator that closes it at its end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"]) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(path: str, request: Request) -> StreamingResponse:
    client: httpx.AsyncClient = request.state.client
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    outgoing = client.build_request(
        request.method, f"/{path}", params=request.query_params, headers=headers, content=await request.body()
    )
    answer = await client.send(outgoing, stream=True)

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in answer.aiter_bytes():
            yield chunk
        await answer.aclose()

    return StreamingResponse(
        chunks(), status_code=answer.status_code, media_type=answer.headers.get("content-type")
    )
