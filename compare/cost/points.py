"""The points at which every subject is measured, as data: one factor at a time around a centre.

The centre is a GET of 1 KiB, 100 in flight, from a downstream that answers at once, plain. A full matrix of
the factors below would have 96 points; what a factor does is seen along its own line. Must not know the
subjects.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from ..origin import PAYLOAD
from ..workloads import KIB, Shape, Workload

CENTRE = "inflight-100"
IN_FLIGHT = (1, 20, 100, 1000)
LATE_MS = (20, 200)
#: Arrivals a second, and how late the downstream then is. The lower is one that every subject can serve.
ARRIVALS = ((250, 20), (1000, 0))


def _point(name: str, title: str, shape: Shape) -> Workload:
    return Workload(name, title, {"main": shape}, core=not shape.rate)


def _shape(**changed: object) -> Shape:
    return Shape(**{"kind": "cost", "inflight": 100, **changed})  # type: ignore[arg-type]


def _all() -> list[Workload]:
    points = [
        _point(f"inflight-{count}", f"{count:,} in flight", _shape(inflight=count)) for count in IN_FLIGHT
    ]
    points.append(_point("body-64k", "64 KiB", _shape(path="/64k", body=64 * KIB)))
    points.append(_point("body-1m", "1 MiB", _shape(path="/1m", body=KIB * KIB)))
    points += [_point(f"late-{late}", f"{late} ms late", _shape(late_ms=late)) for late in LATE_MS]
    points.append(_point("tls", "TLS", _shape(origin_tls=True)))
    points += [
        _point(f"arrivals-{rate}", f"{rate:,}/s, {late} ms late", _shape(rate=rate, late_ms=late))
        for rate, late in ARRIVALS
    ]
    return points


POINTS: dict[str, Workload] = {point.name: point for point in _all()}

#: The lines through the centre, each with its points in order.
LINES: dict[str, tuple[str, ...]] = {
    "in flight": tuple(f"inflight-{count}" for count in IN_FLIGHT),
    "body": (CENTRE, "body-64k", "body-1m"),
    "late": (CENTRE, *(f"late-{late}" for late in LATE_MS)),
    "TLS": (CENTRE, "tls"),
    "arrivals": tuple(f"arrivals-{rate}" for rate, _ in ARRIVALS),
}

#: What is measured first when there is not time for all.
PRIORITY = (
    CENTRE,
    "arrivals-250",
    "body-1m",
    "late-20",
    "inflight-1000",
    "tls",
    "body-64k",
    "inflight-1",
    "arrivals-1000",
    "inflight-20",
    "late-200",
)


def yours(payload: Path | None, late_ms: int, mine: str | None) -> dict[str, Workload]:
    """The points for the reader's own payload, lateness or service. `mine`: its URL; its path is what is
    asked for.
    """
    path, body = "/1k", KIB
    if payload:
        path, body = f"/{PAYLOAD}", payload.stat().st_size
    if mine:
        parts = urllib.parse.urlsplit(mine)
        path, body = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), 0
    common = {"path": path, "body": body, "late_ms": late_ms}
    points = [
        _point(f"yours-{count}", f"yours, {count} in flight", _shape(inflight=count, **common))
        for count in (1, 20, 100)
    ]
    points.append(_point("yours-arrivals", "yours, 250/s", _shape(rate=250.0, **common)))
    return {point.name: point for point in points}
