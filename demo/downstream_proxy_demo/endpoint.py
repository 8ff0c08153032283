"""One endpoint of the embedded downstream as data: routes, index and page are made from the same list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANY = ("*",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` is an aiohttp route pattern, `example` a request target that works as it stands."""

    methods: tuple[str, ...]
    path: str
    handler: Handler
    example: str
    says: str
    opens: bool = True
    """Whether a browser that follows a link to `example` gets an answer worth reading."""

    @property
    def shown_methods(self) -> str:
        """The methods for a person: `any method` for the wildcard."""
        return "any method" if self.methods == ANY else " ".join(self.methods)
