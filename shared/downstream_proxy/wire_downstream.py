"""HTTP/1.1 towards the downstream, over connections that aiohttp's connector makes.

The connector gives name lookup, happy eyeballs and TLS; the messages are ours, because ClientSession.request
would parse leniently, hide interim responses and retry on its own. So is the keeping of idle connections:
aiohttp's pool asks more of each request than all the rest of an exchange. What that takes of aiohttp beyond
its public API is in aiohttp_internals; session_downstream is the way without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from .aiohttp_internals import Connecting, connecting_to
from .connecting import Address, connect_error, make_session, watch_name
from .downstream import DownstreamResponse
from .errors import ErrorKind, ProxyError
from .http1.splicing import channel
from .message import OutgoingRequest
from .settings import DownstreamSettings
from .wire_connection import IdleConnections, WireConnection
from .wire_exchange import WireExchange


class WireDownstream:
    """One downstream address behind the Downstream seam."""

    name = "aiohttp connector, downstream-proxy http1"

    def __init__(self, settings: DownstreamSettings, address: Address) -> None:
        self._settings = settings
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._idle = IdleConnections(settings.pool.keep_alive)
        self._watch = watch_name(settings, address)

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        channel(self._loop)  # now, as later there may be no descriptors left for it
        self._session = make_session(self._settings)
        self._connect = connecting_to(self._address.url, self._settings.tls.server_name, self._session)

    async def close(self) -> None:
        self._idle.close()
        if self._watch is not None:
            await self._watch.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: OutgoingRequest, finished: Callable[[], None]) -> DownstreamResponse:
        connection = self._idle.take()
        if connection is None:
            connection = await self._connect_anew(request, finished)
        exchange = WireExchange(connection, request, self._settings, finished, self._loop)
        try:
            return await exchange.start(_head_bytes(request))
        except asyncio.CancelledError:
            exchange.abort()
            raise

    async def _connect_anew(self, request: OutgoingRequest, finished: Callable[[], None]) -> WireConnection:
        began = time.perf_counter()
        try:
            hold = await self._connect()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            finished()
            raise connect_error(error) from error
        except BaseException:
            finished()
            raise
        finally:
            request.connect += time.perf_counter() - began
        maker = hold.protocol
        assert isinstance(maker, Connecting)
        transport = maker.transport
        if transport is None or transport.is_closing():
            # Gone between the connection's making and now: nobody was there to be told, and nothing was sent.
            hold.close()
            finished()
            raise ProxyError(ErrorKind.CONNECTION_REFUSED)
        connection = WireConnection(hold, maker, transport, self._idle, self._loop)
        if self._watch is not None:
            self._watch.add(connection)
        return connection


def _head_bytes(request: OutgoingRequest) -> bytes:
    """The request head as it goes on the wire, with the one framing this message has (RFC 9112, section
    6)."""
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target)]
    lines += map(b": ".join, request.headers)
    if request.content_length is not None:
        lines.append(b"Content-Length: %d" % request.content_length)
    elif request.body is not None:
        lines.append(b"Transfer-Encoding: chunked")
    if request.expects_continue:
        lines.append(b"Expect: 100-continue")
    if request.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: %b" % request.upgrade)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)
