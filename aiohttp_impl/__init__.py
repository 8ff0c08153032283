"""The downstream-proxy contract as a native aiohttp web application."""

from .app import create_app
from .protocol import unsupported
from .server import serve

__all__ = ["create_app", "serve", "unsupported"]
