"""What somebody may need of a client, as data: which behaviour it must have, and at which point its cost
counts.

Must not know the results.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..cost.points import CENTRE

CLIENT = frozenset({"client"})
PROXY = frozenset({"backend", "peer", "recipe"})
PYTHON_PROXY = frozenset({"backend", "recipe"})
#: Used from threads: each call blocks its thread until the answer is there.
SYNC = frozenset({"requests", "urllib3", "pycurl"})

#: Without these a client loses or mixes up data in a server, so nobody is told to take it.
BASE = ("repeated-fields", "truncation", "cookie-isolation", "leak")


@dataclass(frozen=True, slots=True)
class Need:
    """`topics` are ids of the behaviour table. `point`: where cost is compared; at arrivals-... by p99,
    otherwise by CPU time per request. `kinds`: among whom, None for clients. `sync`: only those that are
    called from threads."""

    flag: str
    title: str
    topics: tuple[str, ...] = ()
    point: str | None = None
    kinds: frozenset[str] | None = None
    sync: bool = False


PLAIN = Need("", "a client for an async endpoint, and nothing special", point=CENTRE)

NEEDS: tuple[Need, ...] = (
    Need("many-connections", "1,000 requests in flight", point="inflight-1000"),
    Need("large-bodies", "large bodies (1 MiB)", point="body-1m"),
    Need("steady-latency", "a low p99 at a fixed rate", point="arrivals-1000"),
    Need("slow-downstream", "a downstream that answers after 200 ms", point="late-200"),
    Need("tls", "TLS to the downstream", point="tls"),
    Need("streaming-upload", "uploads passed on as they come", topics=("streaming-upload",)),
    Need("streaming-download", "answers passed on as they come", topics=("streaming-download",)),
    Need(
        "exact-bytes",
        "targets and fields passed on byte for byte",
        topics=("byte-exact-target", "raw-encodings", "content"),
    ),
    Need("cancellation", "work that stops when the client leaves", topics=("cancellation",)),
    Need("http2", "HTTP/2 to the downstream", topics=("http2",)),
    Need("websocket", "WebSocket to the downstream", topics=("websocket",), kinds=CLIENT | {"backend"}),
    Need("trailers", "answers whose trailers do no harm", topics=("trailers",)),
    Need("sync", "calls from synchronous code (threads)", sync=True),
    Need("proxy", "a whole proxy, in any language", kinds=PROXY),
    Need("python-proxy", "a whole proxy in Python", kinds=PYTHON_PROXY),
)
