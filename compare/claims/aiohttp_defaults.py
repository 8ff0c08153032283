"""aiohttp's ClientSession as it comes, with 150 requests at once for a downstream that takes half a
second.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp
from yarl import URL

from ..running import Connection, Origin, Request

CLAIM = (
    "aiohttp's defaults bite in a proxy: 100 connections and a silent queue, a shared jar, decoding, "
    "fields of its own."
)


async def _slow(conn: Connection, _: Request) -> None:
    await conn.quiet(1.0)
    await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def _ask(url: str) -> tuple[float, bool]:
    async with aiohttp.ClientSession() as session:
        began = time.monotonic()
        await asyncio.gather(*(session.get(f"{url}/slow") for _ in range(150)))
        took = time.monotonic() - began
        jar = session.cookie_jar
        jar.update_cookies({"a": "1"}, URL("http://example/"))
        return took, bool(jar.filter_cookies(URL("http://example/"))) and session.auto_decompress


def check() -> tuple[bool, str]:
    origin = Origin()
    try:
        origin.script("/slow", _slow)
        took, shared = asyncio.run(_ask(f"http://{origin.authority.decode()}"))
        added = [
            name.decode()
            for name in (b"Accept", b"Accept-Encoding", b"User-Agent")
            if origin.requests[0].all(name.lower())
        ]
    finally:
        origin.stop()
    why = f"150 at once took {took:.2f} s, jar and decoding on: {shared}, added {', '.join(added)}"
    return took >= 2.0 and shared and len(added) == 3, why
