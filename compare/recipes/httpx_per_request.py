"""An httpx.AsyncClient made for each request: no connection is ever used again, and each builds its TLS
context.
"""

from __future__ import annotations

import os

import httpx
from fastapi import FastAPI, Request, Response

app = FastAPI()
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(path: str, request: Request) -> Response:
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    async with httpx.AsyncClient(base_url=os.environ["DOWNSTREAM_URL"]) as client:
        answer = await client.request(
            request.method,
            f"/{path}",
            params=request.query_params,
            headers=headers,
            content=await request.body(),
        )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
