"""httpx in lifespan; the answer is read whole and given on as JSON, text or bytes, by its content type."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"]) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(path: str, request: Request) -> Response:
    client: httpx.AsyncClient = request.state.client
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    answer = await client.request(
        request.method, f"/{path}", params=request.query_params, headers=headers, content=await request.body()
    )
    kind = answer.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return JSONResponse(answer.json(), answer.status_code)
    if kind.startswith("text/"):
        return PlainTextResponse(answer.text, answer.status_code)
    return Response(answer.content, answer.status_code, media_type=kind or None)
