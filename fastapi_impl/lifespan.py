"""Opens the Forwarder when the application starts and closes it when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """A FastAPI lifespan: connections to the downstreams live as long as the application.

    What it yields reaches ProxyProtocol as its app_state.
    """
    forwarder = app.state.forwarder
    await forwarder.open()
    try:
        yield {"forwarder": forwarder}
    finally:
        await forwarder.close()
