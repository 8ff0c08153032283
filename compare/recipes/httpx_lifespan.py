"""The well-known recipe: FastAPI and one httpx.AsyncClient made in lifespan, streaming both ways.

As people write it, its faults included (headers merged, cleanup left to a background task).
The only change: pool limits equal to those of the other proxies instead of httpx's 100 and 20.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

POOL = int(os.environ.get("DOWNSTREAM_POOL", "1024"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    async with httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"], limits=limits) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def proxy(request: Request) -> StreamingResponse:
    client: httpx.AsyncClient = request.state.client
    url = httpx.URL(path=request.url.path, query=request.url.query.encode())
    headers = [(key, value) for key, value in request.headers.raw if key != b"host"]
    content = request.stream() if request.method in {"POST", "PUT", "PATCH"} else None
    outgoing = client.build_request(request.method, url, headers=headers, content=content)
    answer = await client.send(outgoing, stream=True)
    return StreamingResponse(
        answer.aiter_raw(),
        status_code=answer.status_code,
        headers=dict(answer.headers),
        background=BackgroundTask(answer.aclose),
    )
