"""Answers that take time or come in pieces: delay, bytes, JSON lines, server-sent events, drip, a cut body.

Each piece is written on its own and flushed, so that whatever buffers on the way can be seen from outside.
"""

from __future__ import annotations

import asyncio
import json
import random
import time

from aiohttp import web

from .bounds import KIB, MIB, path_integer, query_integer, query_seconds, seconds
from .echo import json_answer
from .endpoint import Endpoint

PIECE = 64 * KIB


async def delay(request: web.Request) -> web.Response:
    """Waits, then answers. JSON: delayed (seconds)."""
    wait = seconds("seconds", request.match_info["seconds"], 30)
    await asyncio.sleep(wait)
    return json_answer({"delayed": wait})


async def seeded_bytes(request: web.Request) -> web.StreamResponse:
    """`n` pseudo-random octets with a Content-Length; the same n and `seed` always give the same bytes."""
    n = path_integer(request, "n", 0, 1024 * MIB)
    source = random.Random(query_integer(request, "seed", 0, 0, 2**31))
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(n)}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        for start in range(0, n, PIECE):
            await response.write(source.randbytes(min(PIECE, n - start)))
    await response.write_eof()
    return response


async def json_lines(request: web.Request) -> web.StreamResponse:
    """`n` lines of JSON, chunked, one write for each, `interval` seconds apart (default 0)."""
    n = path_integer(request, "n", 0, 10_000)
    interval = query_seconds(request, "interval", 0, 10)
    headers = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    began = time.monotonic()
    for index in range(n if request.method != "HEAD" else 0):
        if index and interval:
            await asyncio.sleep(interval)
        line = {"line": index + 1, "of": n, "after_ms": _milliseconds_since(began)}
        await response.write(json.dumps(line).encode() + b"\n")
    await response.write_eof()
    return response


async def server_sent_events(request: web.Request) -> web.StreamResponse:
    """`n` events (default 10), `interval` seconds apart (default 1), then one event named `end`.

    Event ids count from 1; a client that comes back with Last-Event-ID goes on after it (HTML, section 9.2).
    """
    n = query_integer(request, "n", 10, 1, 10_000)
    interval = query_seconds(request, "interval", 1, 60)
    last = request.headers.get("Last-Event-ID", "0")
    first = min(int(last), n) + 1 if last.isascii() and last.isdigit() and len(last) < 10 else 1
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    if request.method != "HEAD":
        began = time.monotonic()
        for number in range(first, n + 1):
            if number > first:
                await asyncio.sleep(interval)
            event = json.dumps({"event": number, "of": n, "after_ms": _milliseconds_since(began)})
            await response.write(f"id: {number}\ndata: {event}\n\n".encode())
        await response.write(b"event: end\ndata: {}\n\n")
    await response.write_eof()
    return response


def _milliseconds_since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))


async def drip(request: web.Request) -> web.StreamResponse:
    """`bytes` asterisks (default 10) spread over `duration` seconds (default 2), one write for each."""
    count = query_integer(request, "bytes", 10, 1, 10_000)
    duration = query_seconds(request, "duration", 2, 60)
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": str(count)})
    await response.prepare(request)
    for index in range(count if request.method != "HEAD" else 0):
        if index:
            await asyncio.sleep(duration / count)
        await response.write(b"*")
    await response.write_eof()
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    """Announces twice `n` bytes, sends n and drops the connection: nobody in front may make it look whole."""
    n = path_integer(request, "n", 1, MIB)
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": str(2 * n)})
    await response.prepare(request)
    await response.write(b"#" * n)
    # The reset would overtake bytes that the kernel still holds, so the reader gets a moment to take them.
    await asyncio.sleep(0.05)
    if request.transport is not None:
        request.transport.abort()
    return response


ENDPOINTS = (
    Endpoint(("GET",), "/delay/{seconds}", delay, "/delay/1.5", "answers after so many seconds (at most 30)"),
    Endpoint(("GET",), "/bytes/{n}", seeded_bytes, "/bytes/1000?seed=1", "n octets, decided by the seed"),
    Endpoint(("GET",), "/stream/{n}", json_lines, "/stream/5?interval=0.5", "lines of JSON, a chunk each"),
    Endpoint(("GET",), "/sse", server_sent_events, "/sse?n=5&interval=1", "server-sent events, one by one"),
    Endpoint(("GET",), "/drip", drip, "/drip?bytes=10&duration=2", "octets one at a time"),
    Endpoint(("GET",), "/cut/{n}", cut, "/cut/1000", "a body that breaks off half-way"),
)
