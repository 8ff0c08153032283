"""`requests` in an `async def` endpoint: the event loop stands still until the downstream has answered."""

from __future__ import annotations

import os

import requests
from fastapi import FastAPI, Request, Response

app = FastAPI()
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
async def proxy(path: str, request: Request) -> Response:
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    answer = requests.request(  # noqa: ASYNC210  # the mistake that this recipe is about
        request.method,
        f"{os.environ['DOWNSTREAM_URL']}/{path}",
        params=dict(request.query_params),
        headers=headers,
        data=await request.body(),
    )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
