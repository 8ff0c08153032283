"""The downstream-proxy contract on FastAPI, with an aiohttp ClientSession held in its lifespan."""

from .app import create_app
from .server import serve

__all__ = ["create_app", "serve"]
