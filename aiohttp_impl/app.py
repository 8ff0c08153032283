"""The aiohttp application: one route for everything, one Forwarder behind it."""

from __future__ import annotations

from aiohttp import web
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.settings import Settings

from .handler import FORWARDER, proxy
from .lifespan import lifespan


def create_app(
    settings: Settings | None = None, make_downstream: DownstreamFactory | None = None
) -> web.Application:
    """An application that proxies every path that no route added to it matches.

    settings: None reads them from the environment. make_downstream: another client library behind the
    Downstream seam; None for ours. Raises pydantic.ValidationError when they do not fit.
    """
    app = web.Application()
    app[FORWARDER] = Forwarder(settings if settings is not None else Settings(), make_downstream)
    app.cleanup_ctx.append(lifespan)
    app.router.add_route("*", "/{target:[\\s\\S]*}", proxy, expect_handler=_expect)
    return app


async def _expect(request: web.Request) -> None:
    """100 (Continue) is sent when the downstream asks for the body, not before."""
