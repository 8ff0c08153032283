"""One httpx.AsyncClient at module level, closed when the application shuts down; the answer is held whole."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response

client = httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = FastAPI(lifespan=lifespan)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(path: str, request: Request) -> Response:
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    answer = await client.request(
        request.method, f"/{path}", params=request.query_params, headers=headers, content=await request.body()
    )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
