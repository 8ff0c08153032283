"""The peers by name, in the order of the tables."""

from __future__ import annotations

from .caddy import PEER as CADDY
from .fastapi_httpx import PEER as FASTAPI_HTTPX
from .fastapi_proxy_lib import PEER as FASTAPI_PROXY_LIB
from .haproxy import PEER as HAPROXY
from .nginx import PEER as NGINX
from .ours import AIOHTTP, FASTAPI
from .peer import Peer, Site

__all__ = ["DIRECT", "PEERS", "Peer", "Site"]

#: The name under which a run against the origin itself, without a proxy, is recorded.
DIRECT = "direct"

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (AIOHTTP, FASTAPI, NGINX, HAPROXY, CADDY, FASTAPI_HTTPX, FASTAPI_PROXY_LIB)
}
