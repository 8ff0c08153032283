"""The workloads of the proxy comparison, as data. Must not know how they are run.

A workload has one part, `main`, or two, `base` and `grown`, which are measured one after the other in the
same round so that growth is a ratio within it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .proxies import peer

Kind = Literal["closed", "open", "memory", "cost"]

KIB = 1024
ROUTES = 1000
ROUTE = f"/r{ROUTES // 2:04d}/1k"  # the middle one: what a linear search finds after half of its way
IDLE = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How one measurement is made.

    `inflight`: connections of the generator. `post`: bytes uploaded, 0 for a GET. `body`: bytes that the
    response must have. `idle`: further connections held open meanwhile. Kind `open` finds the saturated
    rate first and then sends half of it, open loop; `memory` weighs the process instead of timing it; `cost`
    is measured by the `cost` package: closed loop, or open loop at `rate` arrivals a second if that is not 0.
    `late_ms`: the downstream answers so much later. `origin_tls`: it is asked over TLS.
    """

    path: str = "/1k"
    inflight: int = 64
    body: int = KIB
    post: int = 0
    idle: int = 0
    tls: bool = False
    workers: int = 1
    routes: int = 1
    kind: Kind = "closed"
    late_ms: int = 0
    origin_tls: bool = False
    rate: float = 0.0

    def needs(self) -> frozenset[str]:
        """The features that a peer must have."""
        wanted = {peer.TLS: self.tls, peer.WORKERS: self.workers > 1, peer.ROUTES: self.routes > 1}
        wanted[peer.ORIGIN_TLS] = self.origin_tls
        return frozenset(name for name, needed in wanted.items() if needed)


@dataclass(frozen=True, slots=True)
class Workload:
    """`peers` are those measured unless the user names others; None means every peer."""

    name: str
    title: str
    parts: dict[str, Shape]
    peers: tuple[str, ...] | None = None
    core: bool = field(default=False)


OURS = ("aiohttp", "fastapi")
BASE = Shape()


def _growth(name: str, title: str, grown: Shape, base: Shape = BASE) -> Workload:
    return Workload(name, title, {"base": base, "grown": grown}, peers=OURS)


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("get-1k", "1 KiB, 64 in flight", {"main": BASE}, core=True),
        Workload("get-64k", "64 KiB, 32 in flight", {"main": Shape("/64k", 32, 64 * KIB)}, core=True),
        Workload("get-1m", "1 MiB, 8 in flight", {"main": Shape("/1m", 8, KIB * KIB)}, core=True),
        Workload(
            "post-64k", "POST 64 KiB, 32 in flight", {"main": Shape("/sink", 32, 3, post=64 * KIB)}, core=True
        ),
        Workload("p99", "p99 at half the saturated rate, 1 KiB", {"main": Shape(kind="open")}, core=True),
        _growth("inflight-1000", "1,000 in flight beside 64", Shape(inflight=1000)),
        _growth("routes-1000", "1,000 routes beside one", Shape(path=ROUTE, routes=ROUTES)),
        _growth("idle-10000", "10,000 idle connections beside none", Shape(idle=IDLE)),
        _growth("workers-2", "two workers beside one", Shape(workers=2)),
        Workload("tls", "1 KiB, 64 in flight, TLS", {"main": Shape(tls=True)}, peers=(*OURS, "caddy")),
        Workload("memory", "resident memory", {"main": Shape(kind="memory")}),
    )
}
