"""The FastAPI application: whatever no route of its own matches goes to the Forwarder."""

from __future__ import annotations

from downstream_proxy.forwarder import Forwarder
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.settings import Settings
from fastapi import FastAPI

from .handler import proxy
from .lifespan import lifespan


def create_app(settings: Settings | None = None, make_downstream: DownstreamFactory | None = None) -> FastAPI:
    """An application that proxies every path that no route added to it matches.

    settings: None reads them from the environment. make_downstream: another client library behind the
    Downstream seam; None for ours. Raises pydantic.ValidationError when they do not fit.
    """
    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.forwarder = Forwarder(settings if settings is not None else Settings(), make_downstream)
    app.router.default = proxy
    return app
