"""`requests` in a `def` endpoint: FastAPI runs it in its pool of 40 threads; the answer is held whole."""

from __future__ import annotations

import os

import requests
from fastapi import Body, FastAPI, Request, Response

app = FastAPI()
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.api_route("/{path:path}", methods=METHODS)
def proxy(path: str, request: Request, body: bytes = Body(b"")) -> Response:
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    answer = requests.request(
        request.method,
        f"{os.environ['DOWNSTREAM_URL']}/{path}",
        params=dict(request.query_params),
        headers=headers,
        data=body,
    )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
