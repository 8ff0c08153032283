"""Opens the Forwarder when the application starts and closes it when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from .handler import FORWARDER


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    """An aiohttp cleanup context: connections to the downstreams live as long as the application."""
    forwarder = app[FORWARDER]
    await forwarder.open()
    try:
        yield
    finally:
        await forwarder.close()


def only_forwards(app: web.Application) -> bool:
    """Whether the application adds nothing to what the proxy does: no route, middleware or signal of its
    own."""
    return len(app.router.resources()) == 1 and not app.middlewares and not app.on_response_prepare
