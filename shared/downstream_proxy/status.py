"""How the proxy stands now, as data: what the status page shows, and its JSON.

Taken from the families that a scrape of the metrics gives, so that page and metrics cannot disagree, and from
what only people read: last errors, times, problems of a reload.
What it must not know: how it is shown, who asks.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import __version__
from .balancing.status import AddressStatus, BreakerStatus
from .errors import ERRORS, ErrorKind, ProxyError
from .metrics import BOUNDS
from .metrics_families import Family

if TYPE_CHECKING:
    from .message import IncomingRequest
    from .route import Route
    from .state import ProcessState

PARTS = ("total", "first_byte", "connect", "queue")
_HISTOGRAMS = {
    "total": "downstream_proxy_request_seconds",
    "first_byte": "downstream_proxy_first_byte_seconds",
    "connect": "downstream_proxy_connect_seconds",
    "queue": "downstream_proxy_queue_seconds",
}
KEPT_ERRORS = 50


@dataclass(frozen=True, slots=True)
class RecentError:
    """One exchange that failed. No path, no field and no address of a client: they may be secret, and the
    access log has them under the request's id. time: Unix, seconds."""

    time: float
    kind: str
    title: str
    status: int
    method: str
    downstream: str
    request_id: str


class RecentErrors:
    """The last errors of this process, newest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, ErrorKind, int, bytes, str, bytes]] = deque(maxlen=KEPT_ERRORS)

    def note(
        self, error: ProxyError, status: int, request: IncomingRequest, route: Route | None, request_id: bytes
    ) -> None:
        """Cheap, as a flood of errors comes through here: words are made when somebody looks. The error is
        not kept: its traceback holds the request, and the configuration that this followed."""
        downstream = route.name if route is not None else ""
        self._kept.appendleft((time.time(), error.kind, status, request.method, downstream, request_id))

    def all(self) -> tuple[RecentError, ...]:
        return tuple(
            RecentError(
                at,
                kind.value,
                ERRORS[kind].title,
                status,
                method.decode("latin-1")[:16],
                downstream,
                request_id.decode("ascii", "replace"),
            )
            for at, kind, status, method, downstream, request_id in self._kept
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted, since the start or within a time. histograms: by part, buckets' counts and sum."""

    requests: dict[str, float]
    errors: dict[str, float]
    retries: float
    bytes_in: float
    bytes_out: float
    histograms: dict[str, list[float]] = field(repr=False)

    @property
    def answered(self) -> float:
        return sum(self.requests.values())

    def since(self, before: Counts) -> Counts:
        """What came after `before`."""
        return Counts(
            {key: value - before.requests.get(key, 0.0) for key, value in self.requests.items()},
            {key: value - before.errors.get(key, 0.0) for key, value in self.errors.items()},
            self.retries - before.retries,
            self.bytes_in - before.bytes_in,
            self.bytes_out - before.bytes_out,
            {
                part: [a - b for a, b in zip(counts, before.histograms[part], strict=True)]
                for part, counts in self.histograms.items()
            },
        )


NOTHING = Counts({}, {}, 0, 0, 0, {part: [0.0] * (len(BOUNDS) + 2) for part in PARTS})


def summed(counts: Iterable[Counts]) -> Counts:
    """All of them as one."""
    total = NOTHING
    for one in counts:
        total = Counts(
            _added(total.requests, one.requests),
            _added(total.errors, one.errors),
            total.retries + one.retries,
            total.bytes_in + one.bytes_in,
            total.bytes_out + one.bytes_out,
            {
                part: [a + b for a, b in zip(total.histograms[part], one.histograms[part], strict=True)]
                for part in PARTS
            },
        )
    return total


def _added(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in {**one, **other}}


@dataclass(frozen=True, slots=True)
class DownstreamStatus:
    """One downstream; the one named "" is what reached none."""

    name: str
    prefix: str
    counts: Counts
    in_use: float
    waiting: float
    places: float
    addresses: tuple[AddressStatus, ...]
    breaker: BreakerStatus


@dataclass(frozen=True, slots=True)
class Status:
    """at: of a clock that only runs forward, seconds. memory: resident, bytes. cpu: seconds used. Numbers are
    of all workers, the states of addresses and breakers and the recent errors of the one that answers."""

    at: float
    time: float
    version: str
    backend: str
    python: str
    pid: int
    workers: int
    started: float
    draining: bool
    viewers: int
    inflight: float
    connections: float
    memory: float
    cpu: float
    open_files: float
    max_files: float
    reloads: float
    failed_reloads: float
    last_reload: float
    reload_problems: tuple[str, ...]
    downstreams: tuple[DownstreamStatus, ...]
    recent_errors: tuple[RecentError, ...]

    @property
    def routed(self) -> Counts:
        """Of all downstreams; without the proxy's own answers."""
        return summed(downstream.counts for downstream in self.downstreams if downstream.name)


def status(process: ProcessState, families: Sequence[Family], viewers: int) -> Status:
    """The present one, from what a scrape would give now."""
    by_name = {family.name: family for family in families}

    def number(name: str, *labels: str) -> float:
        family = by_name.get(name)
        value = family.samples.get(labels, 0.0) if family else 0.0
        return 0.0 if isinstance(value, list) else value

    def histogram(name: str, downstream: str) -> list[float]:
        value = by_name[name].samples.get((downstream,))
        return value if isinstance(value, list) else [0.0] * (len(BOUNDS) + 2)

    def counts(downstream: str) -> Counts:
        requests: dict[str, float] = {}
        for (name, _, hundreds), value in by_name["downstream_proxy_requests_total"].samples.items():
            if name == downstream and not isinstance(value, list):
                requests[hundreds] = requests.get(hundreds, 0.0) + value
        errors = {
            kind: value
            for (name, kind), value in by_name["downstream_proxy_errors_total"].samples.items()
            if name == downstream and not isinstance(value, list)
        }
        return Counts(
            dict(sorted(requests.items())),
            errors,
            number("downstream_proxy_retries_total", downstream),
            number("downstream_proxy_request_bytes_total", downstream),
            number("downstream_proxy_response_bytes_total", downstream),
            {part: histogram(name, downstream) for part, name in _HISTOGRAMS.items()},
        )

    state = process.states[-1]
    downstreams = [
        DownstreamStatus(
            name,
            state.settings.downstreams[name].prefix,
            counts(name),
            number("downstream_proxy_pool", name, "in_use"),
            number("downstream_proxy_pool", name, "waiting"),
            number("downstream_proxy_pool_limit", name),
            tuple(
                replace(
                    address,
                    inflight=int(number("downstream_proxy_address_inflight", name, address.url)),
                    ejections=int(number("downstream_proxy_ejections_total", name, address.url)),
                )
                for address in route.addresses()
            ),
            route.breaker(),
        )
        for name, route in state.by_name.items()
    ]
    downstreams.append(DownstreamStatus("", "", counts(""), 0, 0, 0, (), BreakerStatus()))
    ((_, backend, python),) = by_name["downstream_proxy_build_info"].samples or {("", "", ""): 1.0}
    return Status(
        at=time.monotonic(),
        time=time.time(),
        version=__version__,
        backend=backend,
        python=python,
        pid=os.getpid(),
        workers=state.settings.workers,
        started=number("process_start_time_seconds"),
        draining=process.draining,
        viewers=viewers,
        inflight=number("downstream_proxy_inflight"),
        connections=number("downstream_proxy_connections"),
        memory=number("process_resident_memory_bytes"),
        cpu=number("process_cpu_seconds_total"),
        open_files=number("process_open_fds"),
        max_files=number("process_max_fds"),
        reloads=number("downstream_proxy_reloads_total", "success"),
        failed_reloads=number("downstream_proxy_reloads_total", "failure"),
        last_reload=number("downstream_proxy_config_last_reload_success_timestamp_seconds"),
        reload_problems=process.reloads.problems,
        downstreams=tuple(downstreams),
        recent_errors=process.recent_errors.all(),
    )


def as_json(now: Status) -> dict[str, Any]:
    """The same for programs: seconds, bytes, counts since the start; latency as count, mean and
    percentiles."""
    document = {key: value for key, value in asdict(now).items() if key != "at"}
    for shown, downstream in zip(document["downstreams"], now.downstreams, strict=True):
        counts = shown.pop("counts")
        counts.pop("histograms")
        shown |= counts
        shown["latency"] = {part: latency(downstream.counts.histograms[part]) for part in PARTS}
    return document


def latency(histogram: Sequence[float]) -> dict[str, float | None]:
    """count, mean and percentiles in seconds; None where nothing was observed."""
    count = sum(histogram[:-1])
    return {
        "count": count,
        "mean": histogram[-1] / count if count else None,
        "p50": percentile(histogram, 0.5),
        "p90": percentile(histogram, 0.9),
        "p99": percentile(histogram, 0.99),
    }


def percentile(histogram: Sequence[float], share: float) -> float | None:
    """Seconds that `share` of the observations stay below, as even within a bucket; the last bound when they
    lie above all bounds. None without observations."""
    counts = histogram[:-1]
    rank = share * sum(counts)
    if not rank:
        return None
    below = 0.0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            if number == len(BOUNDS):
                return BOUNDS[-1]
            low = BOUNDS[number - 1] if number else 0.0
            return low + (BOUNDS[number] - low) * (rank - below) / count
        below += count
    return BOUNDS[-1]
