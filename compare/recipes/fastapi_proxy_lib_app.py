"""fastapi-proxy-lib's ready-made app for a reverse HTTP proxy, from its README.

The only change: pool limits equal to those of the other proxies instead of httpx's 100 and 20.
"""

from __future__ import annotations

import os

import httpx
from fastapi_proxy_lib.fastapi.app import reverse_http_app

POOL = int(os.environ.get("DOWNSTREAM_POOL", "1024"))
limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
app = reverse_http_app(
    client=httpx.AsyncClient(limits=limits),
    base_url=os.environ["DOWNSTREAM_URL"].rstrip("/") + "/",
)
