"""One shared httpx client: a cookie set for one user, then a request of another."""

from __future__ import annotations

from ..running import Connection, Request, scene
from ..subjects import SUBJECTS

CLAIM = "A shared client's cookie jar sends one user's cookies for another."


async def _login(conn: Connection, _: Request) -> None:
    await conn.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret; Path=/\r\nContent-Length: 0\r\n\r\n")


def check() -> tuple[bool, str]:
    sent = {}
    for name in ("recipe-httpx-state", "recipe-httpx-per-request", "fastapi-backend"):
        # By name: jars ignore bare addresses.
        with scene(SUBJECTS[name], host="localhost") as stage:
            stage.origin.script("/login", _login)
            stage.ask("/login")
            stage.ask("/other")
            sent[name] = b"; ".join(stage.origin.seen("/other")[0].all(b"cookie")).decode() or "none"
    seen = ", ".join(f"{name}: {cookie}" for name, cookie in sent.items())
    return "secret" in sent["recipe-httpx-state"], f"Cookie in the second user's request: {seen}"
