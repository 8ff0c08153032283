"""`python -m tests.extended aiohttp --fd N`: a backend whose application has a route and a middleware of
its own.

What it is for: such an application answers through its framework's request objects, where one that only
forwards does not need them; the whole contract holds for it too (`pytest tests/contract --server-command`).
What it must not know: the tests.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from downstream_proxy import cli

ROUTE = "/-own-/hello"


def extend_aiohttp(app: Any) -> None:
    from aiohttp import web

    @web.middleware
    async def mark(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if request.path == ROUTE:
            response.headers["X-Marked"] = "yes"
        return response

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {await request.text()}")

    app.middlewares.append(mark)
    app.router.add_route("*", ROUTE, hello)


def extend_fastapi(app: Any) -> None:
    from fastapi import FastAPI, Request, Response

    assert isinstance(app, FastAPI)

    class Mark:
        """A plain ASGI middleware: one over BaseHTTPMiddleware would buffer what is streamed."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def marked(message: Any) -> None:
                if message["type"] == "http.response.start" and scope["path"] == ROUTE:
                    message["headers"] = [*message["headers"], (b"x-marked", b"yes")]
                await send(message)

            await self.app(scope, receive, marked)

    async def hello(request: Request) -> Response:
        return Response(f"hello {(await request.body()).decode()}", media_type="text/plain")

    app.add_route(ROUTE, hello, methods=["GET", "POST"])
    app.add_middleware(Mark)


def main() -> int:
    name, *flags = sys.argv[1:]
    module = importlib.import_module(f"{name}_impl")
    extend = {"aiohttp": extend_aiohttp, "fastapi": extend_fastapi}[name]
    # What the command line starts is this attribute; so all that `serve` does at a start is done here too.
    module.serve = functools.partial(module.serve, extend=extend)  # type: ignore[attr-defined]
    return cli.main(["serve", "--backend", name, *flags])


if __name__ == "__main__":
    sys.exit(main())
