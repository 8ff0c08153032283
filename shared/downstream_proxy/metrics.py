"""What one process counts: plain integers and lists, so that counting costs a request next to nothing.

Knows label values as short strings only; never a path, a header or an address of a client, as those are
unbounded and may be secret. Must not know how the counts are shown: metrics_families names them, exposition
writes them. Outlives a reload: the next configuration counts into the same Metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from .errors import ErrorKind

METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")
BOUNDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of all histograms' buckets, seconds."""


class Histogram:
    """Observations by bucket. counts: one more than BOUNDS has, not cumulative. sum: of all observations."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


class DownstreamMetrics:
    """The counts of one downstream; "" is everything that reached none.

    requests: by method, then by hundreds of the status. total: of complete exchanges, without those that
    became a WebSocket. queue and connect: only of those that had to wait for a place or for a connection.
    first_byte: from the request's sending to the end of the response head. ejections, by address, and opened,
    of the breaker: those that configurations no longer in use counted.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "connect",
        "ejections",
        "errors",
        "first_byte",
        "opened",
        "other",
        "queue",
        "requests",
        "retries",
        "total",
    )

    def __init__(self) -> None:
        self.requests = {method: [0] * 10 for method in METHODS}
        # Methods beyond the common ones share a label: a client can invent any number of them.
        self.other = [0] * 10
        self.errors: dict[ErrorKind, int] = {}
        self.retries = 0
        self.ejections: dict[str, int] = {}
        self.opened = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.queue = Histogram()
        self.connect = Histogram()
        self.first_byte = Histogram()
        self.total = Histogram()

    def answered(self, method: bytes, status: int, seconds: float, first_byte: float, size: int) -> None:
        """Count an exchange: seconds in all, seconds of `first_byte` (negative when no head came), and the
        content's bytes towards the client."""
        self.requests.get(method, self.other)[status // 100] += 1
        self.bytes_out += size
        if status != 101:
            histogram = self.total
            histogram.counts[bisect_left(BOUNDS, seconds)] += 1
            histogram.sum += seconds
        if first_byte >= 0.0:
            histogram = self.first_byte
            histogram.counts[bisect_left(BOUNDS, first_byte)] += 1
            histogram.sum += first_byte

    def refused(self, kind: ErrorKind, status: int) -> None:
        """Count what never became a request."""
        self.other[status // 100] += 1
        self.failed(kind)

    def retire_address(self, url: str, ejections: int) -> None:
        """Keep what an address that goes with its configuration has counted."""
        if ejections:
            self.ejections[url] = self.ejections.get(url, 0) + ejections

    def failed(self, kind: ErrorKind) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + 1


class Metrics:
    """The counts of one process."""

    def __init__(self) -> None:
        self.downstreams: dict[str, DownstreamMetrics] = {}

    def of(self, downstream: str) -> DownstreamMetrics:
        """The counts of a downstream by its name: the same ones before and after a reload."""
        return self.downstreams.setdefault(downstream, DownstreamMetrics())
