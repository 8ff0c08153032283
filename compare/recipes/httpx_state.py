"""The well-known answer: one httpx.AsyncClient in lifespan, `request.state`, `aiter_raw`, a background
close.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"]) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(request: Request) -> StreamingResponse:
    client: httpx.AsyncClient = request.state.client
    url = httpx.URL(path=request.url.path, query=request.url.query.encode())
    headers = [(name, value) for name, value in request.headers.raw if name != b"host"]
    body = request.stream() if request.method in {"POST", "PUT", "PATCH"} else None
    outgoing = client.build_request(request.method, url, headers=headers, content=body)
    answer = await client.send(outgoing, stream=True)
    return StreamingResponse(
        answer.aiter_raw(),
        status_code=answer.status_code,
        headers=answer.headers,
        background=BackgroundTask(answer.aclose),
    )
