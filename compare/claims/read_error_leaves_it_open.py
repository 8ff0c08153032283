"""The same recipe when reading the downstream's answer fails: is the pool's place given back?"""

from __future__ import annotations

from ..running import Connection, Request, scene
from ..subjects import SUBJECTS
from ._crowd import crowd

CLAIM = "With a background close, answers that the downstream cut off cost the pool its places."
CUTS = 110


async def _cut(conn: Connection, _: Request) -> None:
    await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    conn.close()


def check() -> tuple[bool, str]:
    with scene(SUBJECTS["recipe-httpx-state"]) as stage:
        stage.origin.script("/cut", _cut)
        for _ in range(CUTS // 10):
            crowd(stage, "/cut", 10)
        after = stage.ask("/after", 8.0)
    return (
        after != "200",
        f"after {CUTS} cut answers (httpx allows 100 connections) an ordinary request: {after}",
    )
