"""aiohttp's ClientSession on a kept connection that the server closes as it is used again."""

from __future__ import annotations

import asyncio

import aiohttp

from ..running import Connection, Origin, Request

CLAIM = (
    "aiohttp's ClientSession sends an idempotent request again by itself when a kept connection proves dead."
)


async def _close_when_used_again(conn: Connection, _: Request) -> None:
    if len(conn.requests) > 1:
        conn.close()
        return
    await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def _ask(url: str, method: str) -> str:
    async with aiohttp.ClientSession() as session:
        try:
            for _ in range(2):
                async with session.request(method, f"{url}/x") as response:
                    seen = str(response.status)
        except aiohttp.ClientError as error:
            seen = type(error).__name__
    return seen


def check() -> tuple[bool, str]:
    origin = Origin()
    try:
        origin.script("/x", _close_when_used_again)
        url = f"http://{origin.authority.decode()}"
        seen = {method: asyncio.run(_ask(url, method)) for method in ("GET", "POST")}
    finally:
        origin.stop()
    return seen["GET"] == "200" != seen["POST"], ", ".join(
        f"{method}: {what}" for method, what in seen.items()
    )
