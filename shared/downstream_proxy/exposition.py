"""Metrics on the wire: Prometheus' text format or OpenMetrics, as the scraper asks.

prometheus_client writes the formats and reads the process's own figures; this module hands it our families
when somebody scrapes. Must not know what is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .metrics import BOUNDS
from .metrics_families import Family, families
from .metrics_shared import EVERY, WorkerMetrics

if TYPE_CHECKING:
    from .state import ProcessState

_EDGES = [*(str(bound) for bound in BOUNDS), "+Inf"]


class _OnScrape(Collector):
    """Asks for the families when it is scraped; `describe` keeps a registry from asking at registration."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        return (_metric(family) for family in self._families())


class Exposition:
    """Renders the metrics of this process, or of all workers."""

    def __init__(self, process: ProcessState) -> None:
        self._process = process
        self._worker: WorkerMetrics | None = None
        self._registry = CollectorRegistry()
        self._registry.register(_OnScrape(self.families))

    def families(self) -> list[Family]:
        """What a scrape shows, as data: of all workers when there are several."""
        own = self._own()
        if self._worker is None:
            return own
        # What has been shown once must outlive this worker.
        self._worker.publish(own)
        return self._worker.total(own)

    def _own(self) -> list[Family]:
        return [*families(self._process), *process_families()]

    @asynccontextmanager
    async def shared(self, worker: WorkerMetrics | None) -> AsyncIterator[None]:
        """Tell the other workers what this one counts, and add theirs; nothing of it when there are none."""
        if worker is None:
            yield
            return
        self._worker = worker
        publishing = asyncio.create_task(self._publish(worker))
        try:
            yield
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            worker.publish(self._own())

    async def _publish(self, worker: WorkerMetrics) -> None:
        while True:
            worker.publish(self._own())
            await asyncio.sleep(EVERY)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, chosen by the scraper's Accept field."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # A version or an escaping that makes no sense.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.about, labels=family.labels)
        for labels, value in family.samples.items():
            assert isinstance(value, list)
            buckets = list(zip(_EDGES, accumulate(value[:-1]), strict=True))
            histogram.add_metric(labels, buckets, value[-1])
        return histogram
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.about, labels=family.labels)
    for labels, value in family.samples.items():
        assert not isinstance(value, list)
        metric.add_metric(labels, value)
    return metric


def process_families() -> list[Family]:
    """The figures of this process as the system sees it: processor time, memory, descriptors, start."""
    return [
        Family(
            metric.name + ("_total" if metric.type == "counter" else ""),
            "counter" if metric.type == "counter" else "gauge",
            metric.documentation,
            (),
            {(): metric.samples[0].value},
            joined="min" if metric.name == "process_start_time_seconds" else "sum",
        )
        for metric in _PROCESS.collect()
    ]


_PROCESS = ProcessCollector(registry=None)
