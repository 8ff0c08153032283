"""The status: percentiles out of buckets, windows, and words that cannot become markup."""

from __future__ import annotations

import dataclasses
import random

import pytest
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.message import IncomingRequest
from downstream_proxy.metrics import BOUNDS, Histogram
from downstream_proxy.settings import Settings
from downstream_proxy.status import NOTHING, Status, latency, percentile, status
from downstream_proxy.status_page import body


def histogram(*seconds: float) -> list[float]:
    made = Histogram()
    for value in seconds:
        made.observe(value)
    return [*made.counts, made.sum]


@pytest.fixture
async def now() -> Status:
    forwarder = Forwarder(Settings(downstream="http://127.0.0.1:9"))
    await forwarder.open()
    process = forwarder.process
    metrics = forwarder.state.metrics.of("default")
    for seconds in (0.002, 0.004, 0.2):
        metrics.answered(b"GET", 200, seconds, seconds / 2, 100)
    metrics.failed(ErrorKind.CONNECTION_REFUSED)
    error = ProxyError(ErrorKind.CONNECTION_REFUSED)
    process.recent_errors.note(error, 502, IncomingRequest(b"<b>", b"/secret", []), None, b"id")
    made = status(process, process.exposition.families(), 2)
    await forwarder.close()
    return made


def test_percentiles_lie_in_the_bucket_of_the_true_one() -> None:
    rng = random.Random(7)
    values = sorted(rng.lognormvariate(-5, 1.5) for _ in range(2000))
    for share in (0.5, 0.9, 0.99):
        true = values[int(share * len(values)) - 1]
        found = percentile(histogram(*values), share)
        assert found is not None
        bounds = (0.0, *BOUNDS)
        (bucket,) = [(low, high) for low, high in zip(bounds, BOUNDS, strict=False) if low < true <= high]
        assert bucket[0] <= found <= bucket[1]


def test_percentiles_at_the_edges() -> None:
    assert percentile(histogram(), 0.5) is None
    assert percentile(histogram(1000.0), 0.5) == BOUNDS[-1], "above all bounds: at least the last"
    assert percentile(histogram(0.0), 0.99) == pytest.approx(BOUNDS[0] * 0.99)
    assert latency(histogram(0.1, 0.3))["mean"] == pytest.approx(0.2)


def test_a_window_is_what_came_since() -> None:
    before = dataclasses.replace(NOTHING, requests={"2xx": 5}, bytes_out=10)
    after = dataclasses.replace(before, requests={"2xx": 7, "5xx": 1}, bytes_out=30)
    since = after.since(before)
    assert (since.requests, since.bytes_out, since.answered) == ({"2xx": 2, "5xx": 1}, 20, 3)


async def test_the_status_holds_what_was_counted(now: Status) -> None:
    (default,) = [one for one in now.downstreams if one.name == "default"]
    assert default.counts.requests == {"2xx": 3}
    assert default.counts.errors == {"connection-refused": 1}
    assert (default.places, default.addresses[0].url) == (256, "http://127.0.0.1:9")
    assert now.routed.answered == 3
    assert now.recent_errors[0].kind == "connection-refused"


async def test_the_page_shows_the_last_ten_seconds_once_it_is_live(now: Status) -> None:
    assert "since the start" in body(now, ())
    later = [dataclasses.replace(now, at=now.at + n, time=now.time + n) for n in range(12)]
    text = body(later[-1], later)
    assert "of the last ten seconds" in text
    assert "<dt>requests</dt><dd>0 <small>/s" in text, "all requests came before the window"


async def test_nothing_that_comes_from_outside_becomes_markup(now: Status) -> None:
    mark = "<script>alert(1)</script>\"'&"
    downstream = now.downstreams[0]
    address = dataclasses.replace(downstream.addresses[0], url=mark, last_error=mark)
    marked = dataclasses.replace(downstream, name=mark, prefix=mark, addresses=(address,))
    error = dataclasses.replace(
        now.recent_errors[0], kind=mark, method=mark, downstream=mark, request_id=mark
    )
    status = dataclasses.replace(
        now,
        version=mark,
        backend=mark,
        python=mark,
        downstreams=(marked, *now.downstreams[1:]),
        recent_errors=(error,),
        reload_problems=(mark,),
    )
    text = body(status, ())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 13
