"""Several users at once, and how long they took. Shared by the claims."""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ..running import Connection, Request, Scene, request


def slow_origin(stage: Scene, seconds: float) -> None:
    """/slow answers after so long."""

    async def answer(conn: Connection, _: Request) -> None:
        await conn.quiet(seconds)
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    stage.origin.script("/slow", answer)


def crowd(stage: Scene, path: str, users: int) -> tuple[float, Counter[str]]:
    """Seconds until the last of them was answered, and the answers by kind."""
    began = time.monotonic()
    with ThreadPoolExecutor(users) as pool:
        answers = Counter(pool.map(lambda _: stage.ask(path, 20.0), range(users)))
    return time.monotonic() - began, answers


def visit(stage: Scene, path: str, times: int, pause: float = 0.0) -> int:
    """One user on one kept connection; how many answers were 200. A pause after every third."""
    good = 0
    with stage.connect() as user:
        for number in range(times):
            user.sendall(request(path))
            data = b""
            while not _complete(data):
                piece = user.recv(65536)
                if not piece:
                    return good
                data += piece
            good += data.startswith(b"HTTP/1.1 200")
            if number % 3 == 0:
                time.sleep(pause)
    return good


def _complete(data: bytes) -> bool:
    head, separator, body = data.lower().partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if not separator:
        return False
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
