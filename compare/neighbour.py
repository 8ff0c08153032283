"""An ASGI app that answers /-/healthy itself and passes everything else to the app named by NEIGHBOUR_OF.

The neighbour endpoint of a recipe: what it waits is what any other endpoint of the same process would wait.
Our backends have it already. The recipe itself stays as people write it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/-/healthy"
VARIABLE = "NEIGHBOUR_OF"


def _named(text: str) -> Any:
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)


_inner = _named(os.environ[VARIABLE]) if VARIABLE in os.environ else None


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == PATH:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    assert _inner is not None, f"{VARIABLE} names no app"
    await _inner(scope, receive, send)
