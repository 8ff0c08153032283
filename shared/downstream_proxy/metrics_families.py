"""The metrics by name: what is shown of a process, as data that can be added up.

Knows names, labels and help texts; must not know in which format, or to whom, they are shown.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .balancing.status import ADDRESS_STATES, BREAKER_STATES
from .metrics import DownstreamMetrics, Histogram, Metrics
from .reloads import Reloads

if TYPE_CHECKING:
    from .rate_limits import Counts
    from .state import ProcessState

Value: TypeAlias = "float | list[float]"
"""A number, or a histogram: its buckets' counts, not cumulative, and behind them the sum."""

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Joined: TypeAlias = Literal["sum", "max", "min"]


@dataclass(slots=True)
class Family:
    """One metric with all its samples by label values. joined: how the values of several processes become
    one."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...]
    samples: dict[tuple[str, ...], Value]
    joined: Joined = "sum"

    def add(self, labels: tuple[str, ...], value: Value) -> None:
        """Join a value to the sample with these label values."""
        present = self.samples.get(labels)
        if present is None:
            self.samples[labels] = value
        elif isinstance(value, list) and isinstance(present, list):
            self.samples[labels] = [a + b for a, b in zip(present, value, strict=True)]
        elif not isinstance(value, list) and not isinstance(present, list):
            self.samples[labels] = _JOIN[self.joined]((present, value))


_JOIN: Final[dict[Joined, Callable[[Iterable[float]], Any]]] = {"sum": sum, "max": max, "min": min}


def families(process: ProcessState) -> list[Family]:
    """What this process counts, as it is now; the system's figures of it are exposition's."""
    return [*_counts(process.metrics), *_gauges(process), _build(process)]


def _counts(metrics: Metrics) -> Iterator[Family]:
    by_name = metrics.downstreams
    yield Family(
        "downstream_proxy_requests_total",
        "counter",
        "Requests answered, by downstream, method and status class.",
        ("downstream", "method", "status"),
        {
            (name, method, f"{hundreds}xx"): count
            for name, counts in by_name.items()
            for method, row in _rows(counts)
            for hundreds, count in enumerate(row)
            if count
        },
    )
    yield Family(
        "downstream_proxy_errors_total",
        "counter",
        "Exchanges that failed, by downstream and error kind.",
        ("downstream", "kind"),
        {(name, kind.value): n for name, counts in by_name.items() for kind, n in counts.errors.items()},
    )
    for attribute, name, about in _PER_DOWNSTREAM:
        yield Family(
            name,
            "counter",
            about,
            ("downstream",),
            {(downstream,): getattr(counts, attribute) for downstream, counts in by_name.items()},
        )
    for attribute, name, about in _HISTOGRAMS:
        yield Family(
            name,
            "histogram",
            about,
            ("downstream",),
            {(downstream,): _values(getattr(counts, attribute)) for downstream, counts in by_name.items()},
        )


_PER_DOWNSTREAM = (
    ("retries", "downstream_proxy_retries_total", "Requests sent again."),
    ("bytes_in", "downstream_proxy_request_bytes_total", "Content of requests received, bytes."),
    ("bytes_out", "downstream_proxy_response_bytes_total", "Content of responses sent, bytes."),
)
_HISTOGRAMS = (
    ("total", "downstream_proxy_request_seconds", "From the request's head to the response's end."),
    (
        "queue",
        "downstream_proxy_queue_seconds",
        "Waiting for a place at the downstream; requests that had to wait only.",
    ),
    (
        "connect",
        "downstream_proxy_connect_seconds",
        "Name lookup, connection and TLS handshake; requests that found no kept connection only.",
    ),
    (
        "first_byte",
        "downstream_proxy_first_byte_seconds",
        "From the request's sending, on a connection that is there, to the end of the response head.",
    ),
)


def _rows(counts: DownstreamMetrics) -> Iterator[tuple[str, list[int]]]:
    for method, row in counts.requests.items():
        yield method.decode(), row
    yield "other", counts.other


def _values(histogram: Histogram) -> Value:
    return [*histogram.counts, histogram.sum]


def _tasks() -> int:
    """Of the loop that serves; 0 where none runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


def _gauges(process: ProcessState) -> Iterator[Family]:
    states = process.states
    yield _gauge("downstream_proxy_inflight", "Requests in flight.", sum(s.inflight for s in states))
    yield _gauge("downstream_proxy_connections", "Client connections open.", len(process.connections))
    yield _gauge("downstream_proxy_tasks", "Tasks of the event loop.", _tasks())
    pool = Family(
        "downstream_proxy_pool", "gauge", "Places per downstream by state.", ("downstream", "state"), {}
    )
    limit = Family(
        "downstream_proxy_pool_limit", "gauge", "Places that a downstream has.", ("downstream",), {}
    )
    for state in states:
        for name, route in state.by_name.items():
            pool.add((name, "in_use"), route.admission.in_use)
            pool.add((name, "waiting"), route.admission.waiting)
            limit.add((name,), route.admission.places)
    yield pool
    yield limit
    yield from _addresses(process)
    yield from _reloads(process.reloads)
    if process.counts:
        yield from _rates(list(process.counts.values()))


def _addresses(process: ProcessState) -> Iterator[Family]:
    """How the addresses and the breakers stand, each under its state's name: 1 for the one it is in."""
    states = process.states
    labels = ("downstream", "address")
    state_of = Family(
        "downstream_proxy_address_state",
        "gauge",
        "1 for the state that an address is in; of several workers, how many see it so.",
        (*labels, "state"),
        {},
    )
    inflight = Family(
        "downstream_proxy_address_inflight", "gauge", "Requests in flight at an address.", labels, {}
    )
    ejections = Family(
        "downstream_proxy_ejections_total", "counter", "Times that an address was taken out.", labels, {}
    )
    breaker = Family(
        "downstream_proxy_breaker_state",
        "gauge",
        "1 for the state that a circuit breaker is in; of several workers, how many see it so.",
        ("downstream", "state"),
        {},
    )
    opened = Family(
        "downstream_proxy_breaker_opened_total",
        "counter",
        "Times that a circuit breaker opened.",
        ("downstream",),
        {},
    )
    for name, counts in process.metrics.downstreams.items():
        ejections.samples.update({(name, url): count for url, count in counts.ejections.items()})
        if counts.opened:
            opened.samples[name,] = counts.opened
    for state in states:
        for name, route in state.by_name.items():
            for address in route.addresses():
                key = (name, address.url)
                inflight.add(key, address.inflight)
                ejections.add(key, address.ejections)
                if state is states[-1]:
                    for one in ADDRESS_STATES:
                        state_of.samples[(*key, one)] = one == address.state
            status = route.breaker()
            opened.add((name,), status.opened)
            if state is states[-1]:
                for other in BREAKER_STATES:
                    breaker.samples[name, other] = other == status.state
    return iter((state_of, inflight, ejections, breaker, opened))


def _rates(counts: list[Counts]) -> Iterator[Family]:
    yield Family(
        "downstream_proxy_rate_limit_storage_up",
        "gauge",
        "1 while the storage of rate limits answers; of several workers, 0 when one cannot ask it.",
        (),
        {(): float(all(one.up for one in counts))},
        "min",
    )
    yield Family(
        "downstream_proxy_rate_limit_outages_total",
        "counter",
        "Times that the storage of rate limits stopped answering.",
        (),
        {(): sum(one.outages for one in counts)},
    )
    yield Family(
        "downstream_proxy_rate_limit_unchecked_total",
        "counter",
        "Requests decided by the rule for an outage.",
        (),
        {(): sum(one.unchecked for one in counts)},
    )


def _reloads(reloads: Reloads) -> Iterator[Family]:
    """The workers share these counts, so they are not added up."""
    yield Family(
        "downstream_proxy_reloads_total",
        "counter",
        "Reloads of the configuration, by outcome.",
        ("outcome",),
        {("success",): reloads.succeeded, ("failure",): reloads.failed},
        "max",
    )
    yield Family(
        "downstream_proxy_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration in use was loaded.",
        (),
        {(): reloads.last_success},
        "max",
    )


def _gauge(name: str, about: str, value: float) -> Family:
    return Family(name, "gauge", about, (), {(): value})


def _build(process: ProcessState) -> Family:
    backend = process.states[-1].settings.backend if process.states else ""
    return Family(
        "downstream_proxy_build_info",
        "gauge",
        "1; the labels say what runs.",
        ("version", "backend", "python"),
        {(VERSION, backend, platform.python_version()): 1.0},
        "max",
    )


def _version() -> str:
    try:
        return version("downstream-proxy")
    except PackageNotFoundError:
        return "unknown"


VERSION = _version()


def joined(processes: Iterable[list[Family]]) -> list[Family]:
    """The metrics of several processes as those of one."""
    result: dict[str, Family] = {}
    for process in processes:
        for family in process:
            known = result.get(family.name)
            if known is None:
                result[family.name] = Family(
                    family.name, family.kind, family.about, family.labels, dict(family.samples), family.joined
                )
            else:
                for labels, value in family.samples.items():
                    known.add(labels, value)
    return list(result.values())
