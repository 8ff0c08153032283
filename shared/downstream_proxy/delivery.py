"""How a response's content reaches the client: streamed as it comes, buffered whole, or transformed chunk by
chunk.

Knows a body and a sink, neither end's framework.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from .downstream import DownstreamResponse
from .errors import ErrorKind, ProxyError
from .http1.response_body import ResponseBody
from .message import HeaderPairs, ResponseSink

if TYPE_CHECKING:
    from .forwarder import Forwarding
    from .route import Route

Transform = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
"""A hook: the decoded content in, the content to send out."""


async def deliver(
    forwarding: Forwarding, response: DownstreamResponse, route: Route, sink: ResponseSink
) -> None:
    """Write the response in the route's delivery mode. Raises ProxyError when the downstream's content
    breaks."""
    deadline = forwarding.deadline
    if deadline is None:
        await _deliver(forwarding, response, route, sink)
        return
    try:
        async with asyncio.timeout(deadline - time.perf_counter()):
            await _deliver(forwarding, response, route, sink)
    except TimeoutError:
        raise ProxyError(ErrorKind.TOTAL_TIMEOUT) from None


async def relay_rest(forwarding: Forwarding, body: ResponseBody) -> None:
    """Wait until all of a response that is being relayed is with the client's transport. Raises
    ProxyError."""
    deadline = forwarding.deadline
    if deadline is None:
        await body.relayed_all()
        return
    try:
        async with asyncio.timeout(deadline - time.perf_counter()):
            await body.relayed_all()
    except TimeoutError:
        raise ProxyError(ErrorKind.TOTAL_TIMEOUT) from None


async def _deliver(
    forwarding: Forwarding, response: DownstreamResponse, route: Route, sink: ResponseSink
) -> None:
    if not response.has_content:
        forwarding.started()
        await sink.start(forwarding.status, forwarding.reason, forwarding.headers, response.length)
        await sink.end()
    elif route.delivery == "stream":
        await _stream(forwarding, response, sink)
    elif route.delivery == "buffer":
        await _buffer(forwarding, response.body, route.max_buffered_body, sink)
    else:
        assert route.transform is not None
        await _transform(forwarding, response, route.transform, sink)


async def _stream(forwarding: Forwarding, response: DownstreamResponse, sink: ResponseSink) -> None:
    body = response.body
    forwarding.started()
    await sink.start(forwarding.status, forwarding.reason, forwarding.headers, response.length)
    if not body.size and not body.complete:
        # The content may be long in coming: the client gets the head now (server-sent events rely on it).
        await sink.flush_head()
    while data := await body.readany():
        forwarding.count(len(data))
        await sink.write(data)
    await sink.end()


async def _buffer(forwarding: Forwarding, body: ResponseBody, limit: int, sink: ResponseSink) -> None:
    chunks: list[bytes] = []
    size = 0
    while data := await body.readany():
        size += len(data)
        if size > limit:
            raise ProxyError(ErrorKind.RESPONSE_TOO_LARGE_TO_BUFFER)
        chunks.append(data)
    headers = _without(forwarding.headers, b"content-length")
    headers.append((b"Content-Length", b"%d" % size))
    forwarding.started()
    await sink.start(forwarding.status, forwarding.reason, headers, size)
    forwarding.count(size)
    await sink.write(b"".join(chunks))
    await sink.end()


async def _transform(
    forwarding: Forwarding, response: DownstreamResponse, transform: Transform, sink: ResponseSink
) -> None:
    # What describes the untransformed bytes does not describe these (RFC 9110, sections 8.4, 8.6, 8.8.3 and
    # 14.2).
    headers = _without(
        forwarding.headers,
        b"content-length",
        b"content-encoding",
        b"etag",
        b"accept-ranges",
        b"content-md5",
        b"digest",
    )
    decoded = _decoded(response.body, forwarding.headers)
    forwarding.started()
    await sink.start(forwarding.status, forwarding.reason, headers, None)
    await sink.flush_head()
    try:
        async for data in transform(decoded):
            forwarding.count(len(data))
            await sink.write(data)
    except (ProxyError, ConnectionError):
        raise
    except Exception as error:
        raise ProxyError(ErrorKind.TRANSFORM_FAILED) from error
    await sink.end()


async def _decoded(body: ResponseBody, headers: HeaderPairs) -> AsyncIterator[bytes]:
    """The content with gzip or deflate undone, as it comes (RFC 9110, section 8.4.1)."""
    codings = b",".join(value for name, value in headers if name.lower() == b"content-encoding").lower()
    coding = codings.strip()
    if coding in (b"", b"identity"):
        decoder = None
    elif coding in (b"gzip", b"x-gzip"):
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    elif coding == b"deflate":
        decoder = zlib.decompressobj()
    else:
        raise ProxyError(ErrorKind.TRANSFORM_FAILED, "The content coding is not known here")
    while data := await body.readany():
        if decoder is None:
            yield data
            continue
        pending = data
        while pending:
            # Bounded steps: a small compressed piece may stand for any amount of content.
            piece = decoder.decompress(pending, _DECODED_STEP)
            pending = decoder.unconsumed_tail
            if piece:
                yield piece
    if decoder is not None:
        if piece := decoder.flush():
            yield piece
        if not decoder.eof:
            raise ProxyError(ErrorKind.RESPONSE_INCOMPLETE)


_DECODED_STEP = 2**18


def _without(headers: HeaderPairs, *names: bytes) -> HeaderPairs:
    return [pair for pair in headers if pair[0].lower() not in names]
