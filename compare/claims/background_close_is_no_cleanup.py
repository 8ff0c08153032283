"""The well-known `StreamingResponse(..., background=BackgroundTask(r.aclose))`, left by its users."""

from __future__ import annotations

from ..running import Connection, Request, request, scene, until
from ..subjects import SUBJECTS

CLAIM = "`background=BackgroundTask(r.aclose)` leaves the downstream's answer open when the client leaves."
USERS = 20


async def _drip(conn: Connection, _: Request) -> None:
    await conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await conn.send(b"5\r\nhello\r\n")
        await conn.quiet(0.5)


def check() -> tuple[bool, str]:
    left = {}
    for name in ("recipe-httpx-state", "recipe-httpx-generator", "fastapi-backend"):
        with scene(SUBJECTS[name]) as stage:
            stage.origin.script("/drip", _drip)
            for _ in range(USERS):
                with stage.connect() as client:
                    client.sendall(request("/drip"))
                    client.recv(10)
            until(lambda: not _open(stage.origin.connections), 5.0)
            left[name] = _open(stage.origin.connections)
    seen = ", ".join(f"{name} {count}" for name, count in left.items())
    return left["recipe-httpx-state"] > 2, f"{USERS} users left; answers still running 5 s later: {seen}"


def _open(connections: list[Connection]) -> int:
    return sum(conn.closed_at is None and bool(conn.requests) for conn in list(connections))
