"""Opens the Forwarder when the application starts and closes it when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from .handler import proxy


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """A FastAPI lifespan: connections to the downstreams live as long as the application.

    Yields for ProxyProtocol: `forwarder`, and `only_forwards`, the application if that is all it does.
    """
    forwarder = app.state.forwarder
    await forwarder.open()
    try:
        yield {"forwarder": forwarder, "only_forwards": app if only_forwards(app) else None}
    finally:
        await forwarder.close()


def only_forwards(app: FastAPI) -> bool:
    """Whether the application adds nothing to what the proxy does: no route and no middleware of its own."""
    return app.router.default == proxy and not app.routes and not app.user_middleware
