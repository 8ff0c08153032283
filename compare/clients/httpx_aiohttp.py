"""httpx.AsyncClient over aiohttp's connector, by httpx-aiohttp's transport.

Settings as for httpx; aiohttp's session as in aiohttp.py, but for the time-outs, which httpx hands on.
"""

from __future__ import annotations

from functools import partial

import aiohttp
import httpx
import httpx_aiohttp

from .httpx import HttpxClient


class HttpxAiohttpClient(HttpxClient):
    name = "httpx over aiohttp"

    def transport(self, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
        return httpx_aiohttp.AiohttpTransport(trust_env=False, client=partial(self._session, limits))

    def _session(self, limits: httpx.Limits) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.max_connections or 0, keepalive_timeout=limits.keepalive_expiry, ssl=self.tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )


make_downstream = HttpxAiohttpClient
