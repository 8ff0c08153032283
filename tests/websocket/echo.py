"""A real WebSocket server to stand behind the proxy: the `websockets` library, echoing messages.

It runs on its own loop in a thread. It must not know what is under test.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

QUIET = logging.getLogger("tests.websocket.echo")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


async def _echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            if message == "close me":
                await connection.close(4321, "as you wish")
            await connection.send(message)
    except ConnectionClosed:
        return


def _chat_if_offered(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "chat"), None)


@contextmanager
def echo_server() -> Iterator[int]:
    """The port of a running echo server: no bound on messages, subprotocol `chat`, no timers of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="websocket echo", daemon=True)
    thread.start()

    async def start() -> Server:
        return await serve(
            _echo,
            "127.0.0.1",
            0,
            select_subprotocol=_chat_if_offered,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
            logger=QUIET,
        )

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(15)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
