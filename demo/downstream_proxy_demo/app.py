"""Puts the endpoints together into one aiohttp application, with an index made from the same list.

It knows nothing of proxies: it is the kind of service that one stands in front of.
"""

from __future__ import annotations

from aiohttp import web

from . import content, echo, navigation, page, streaming, upload, websocket
from .bounds import BadInputError
from .echo import json_answer
from .endpoint import Endpoint, Handler

ENDPOINTS: tuple[Endpoint, ...] = (
    *echo.ENDPOINTS,
    *navigation.ENDPOINTS,
    *streaming.ENDPOINTS,
    *upload.ENDPOINTS,
    *content.ENDPOINTS,
    *websocket.ENDPOINTS,
    *page.ENDPOINTS,
)


def index_rows() -> list[dict[str, str | bool]]:
    """The endpoints for a person or a script: methods, example target, meaning, whether a link opens it."""
    return [
        {"methods": e.shown_methods, "example": e.example, "says": e.says, "opens": e.opens}
        for e in ENDPOINTS
    ]


async def index(request: web.Request) -> web.StreamResponse:
    """The page for a browser, the list as text for everyone else."""
    if "text/html" in request.headers.get("Accept", ""):
        answer = await page.page(request)
    else:
        lines = [f"{row['methods']:<11} {row['example']:<34} {row['says']}" for row in index_rows()]
        heading = "The demo's downstream. A browser sees a page here.\n\n"
        answer = web.Response(text=heading + "\n".join(lines) + "\n")
    answer.headers["Vary"] = "Accept"
    return answer


async def endpoints(_request: web.Request) -> web.Response:
    """The list as JSON; the page reads it."""
    return json_answer(index_rows())


@web.middleware
async def explain_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns refusals into JSON that says what is wrong and where the list of endpoints is."""
    try:
        return await handler(request)
    except BadInputError as refusal:
        return json_answer({"error": str(refusal), "endpoints": "/"}, status=400)
    except web.HTTPException as refusal:
        answer = json_answer({"error": refusal.reason, "endpoints": "/"}, status=refusal.status)
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer


def create_app() -> web.Application:
    """The embedded downstream. `serve.make_runner` has the options to serve it with."""
    app = web.Application(middlewares=[explain_refusals])
    for endpoint in ENDPOINTS:
        for method in endpoint.methods:
            if method == "GET":
                app.router.add_get(endpoint.path, endpoint.handler)  # and HEAD with it
            else:
                app.router.add_route(method, endpoint.path, endpoint.handler)
    app.router.add_get("/", index)
    app.router.add_get("/endpoints", endpoints)
    return app
