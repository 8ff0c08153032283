"""Counts are plain numbers that outlive a state; what is shown of them are Prometheus' formats."""

from __future__ import annotations

import time

import pytest
from downstream_proxy.errors import ErrorKind
from downstream_proxy.exposition import Exposition
from downstream_proxy.metrics import BOUNDS
from downstream_proxy.metrics_families import Family, Value, families, joined
from downstream_proxy.metrics_shared import Slot, WorkerMetrics
from downstream_proxy.settings import DownstreamSettings, Settings
from downstream_proxy.settings_balancing import Breaker, Eject
from downstream_proxy.state import ProcessState, ProxyState
from downstream_proxy.wire_downstream import WireDownstream
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text


def samples(text: str, parse: object = parse_text) -> dict[str, float]:
    """Every sample by its name with its labels in the order of their names."""
    return {
        f"{s.name}{sorted(s.labels.items())}": s.value
        for family in parse(text)  # type: ignore[operator]
        for s in family.samples
    }


def value(process: ProcessState, name: str, **labels: str) -> float:
    shown = samples(Exposition(process).render()[0].decode())
    return shown[f"{name}{sorted(labels.items())}"]


def test_request_is_counted_by_downstream_method_and_class() -> None:
    process = ProcessState()
    process.metrics.of("api").answered(b"GET", 204, 0.002, 0.001, 10)
    process.metrics.of("api").answered(b"BREW", 418, 0.002, -1.0, 5)
    name = "downstream_proxy_requests_total"
    assert value(process, name, downstream="api", method="GET", status="2xx") == 1
    assert value(process, name, downstream="api", method="other", status="4xx") == 1
    assert value(process, "downstream_proxy_response_bytes_total", downstream="api") == 15
    assert value(process, "downstream_proxy_first_byte_seconds_count", downstream="api") == 1


@pytest.mark.parametrize("seconds", [*BOUNDS, 0.0, 0.3, 61.0])
def test_observation_falls_into_the_first_bucket_that_holds_it(seconds: float) -> None:
    process = ProcessState()
    process.metrics.of("api").answered(b"GET", 200, seconds, -1.0, 0)
    shown = samples(Exposition(process).render()[0].decode())
    for bound in BOUNDS:
        labels = sorted({"downstream": "api", "le": str(bound)}.items())
        assert shown[f"downstream_proxy_request_seconds_bucket{labels}"] == (seconds <= bound)
    assert value(process, "downstream_proxy_request_seconds_sum", downstream="api") == seconds


def test_websocket_is_counted_but_its_hours_are_no_latency() -> None:
    process = ProcessState()
    process.metrics.of("api").answered(b"GET", 101, 3600.0, 0.01, 0)
    assert (
        value(process, "downstream_proxy_requests_total", downstream="api", method="GET", status="1xx") == 1
    )
    assert value(process, "downstream_proxy_request_seconds_count", downstream="api") == 0


async def test_counts_outlive_the_configuration_that_a_reload_replaces() -> None:
    process = ProcessState()
    settings = Settings(downstream="http://127.0.0.1:9")
    old, new = (ProxyState(settings, WireDownstream, process) for _ in range(2))
    for state, inflight in ((old, 2), (new, 1)):
        state.show()
        state.inflight = inflight
        state.by_name["default"].metrics.failed(ErrorKind.HEAD_TIMEOUT)
    name = "downstream_proxy_errors_total"
    assert value(process, name, downstream="default", kind="head-timeout") == 2
    assert value(process, "downstream_proxy_inflight") == 3
    assert value(process, "downstream_proxy_pool_limit", downstream="default") == 512
    old.hide()
    assert value(process, "downstream_proxy_inflight") == 1
    assert value(process, name, downstream="default", kind="head-timeout") == 2


def test_format_follows_accept() -> None:
    exposition = Exposition(process := ProcessState())
    process.metrics.of("api").answered(b"GET", 200, 0.002, 0.001, 10)
    content, content_type = exposition.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    plain, plain_type = exposition.render("text/html")
    assert plain_type.startswith("text/plain; version=0.0.4")
    counted = "downstream_proxy_requests_total[('downstream', 'api'), ('method', 'GET'), ('status', '2xx')]"
    assert samples(content.decode(), parse_openmetrics)[counted] == 1
    assert samples(plain.decode())[counted] == 1


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=x", "text/plain; version=1.0.0;", ",;="]
)
def test_accept_that_makes_no_sense_is_answered_in_some_format(accept: str) -> None:
    assert b"downstream_proxy_inflight" in Exposition(ProcessState()).render(accept)[0]


def test_processes_add_up() -> None:
    one, other = ProcessState(), ProcessState()
    one.metrics.of("api").answered(b"GET", 200, 0.002, 0.001, 10)
    other.metrics.of("api").answered(b"GET", 200, 20.0, 0.001, 5)
    other.metrics.of("site").retries = 3
    one.reloads.success()
    other.reloads.success()
    total = {family.name: family.samples for family in joined([families(one), families(other)])}
    assert total["downstream_proxy_requests_total"] == {("api", "GET", "2xx"): 2}
    assert total["downstream_proxy_response_bytes_total"][("api",)] == 15
    assert total["downstream_proxy_retries_total"] == {("api",): 0, ("site",): 3}
    seconds = total["downstream_proxy_request_seconds"][("api",)]
    assert isinstance(seconds, list)
    assert sum(seconds[:-1]) == 2
    assert seconds[-1] == 20.002
    assert total["downstream_proxy_reloads_total"][("success",)] == 1
    assert list(total["downstream_proxy_build_info"].values()) == [1.0]


async def test_addresses_and_breaker_show_their_state_and_keep_their_counts() -> None:
    process = ProcessState()
    urls = ("http://127.0.0.1:9", "http://127.0.0.1:10")
    downstream = DownstreamSettings(
        urls=urls, breaker=Breaker(failures=0.5), eject=Eject(failures=1), prefix="/"
    )
    old, new = (
        ProxyState(Settings(downstreams={"api": downstream}), WireDownstream, process) for _ in range(2)
    )
    old.show()
    balanced = old.by_name["api"].balanced
    assert balanced is not None
    balanced.roster.failed(balanced._addresses[1], 0, "connection-refused")
    shown = samples(Exposition(process).render()[0].decode())
    state = "downstream_proxy_address_state[('address', '{}'), ('downstream', 'api'), ('state', '{}')]"
    assert shown[state.format(urls[0], "healthy")] == 1
    assert shown[state.format(urls[1], "healthy")] == 0
    assert shown[state.format(urls[1], "ejected")] == 1
    assert value(process, "downstream_proxy_breaker_state", downstream="api", state="closed") == 1
    new.show()
    old.hide()
    assert value(process, "downstream_proxy_ejections_total", downstream="api", address=urls[1]) == 1
    assert value(
        process, "downstream_proxy_address_state", downstream="api", address=urls[1], state="healthy"
    )


def counted(retries: int, inflight: int) -> list[Family]:
    return [
        Family("retries_total", "counter", "", ("downstream",), {("api",): retries}),
        Family("inflight", "gauge", "", (), {(): inflight}),
    ]


def totals(families_: list[Family]) -> dict[str, Value]:
    return {family.name: next(iter(family.samples.values())) for family in families_}


def test_workers_add_up_and_a_replaced_one_goes_on_where_its_slot_ended() -> None:
    slots = [Slot(), Slot()]
    one, other = WorkerMetrics(slots, 0), WorkerMetrics(slots, 1)
    assert totals(one.total(counted(1, 1)))["downstream_proxy_workers"] == 1
    other.publish(counted(10, 4))
    assert totals(one.total(counted(1, 1))) == {
        "retries_total": 11,
        "inflight": 5,
        "downstream_proxy_workers": 2,
    }
    replaced = WorkerMetrics(slots, 1)
    replaced.publish(counted(2, 0))
    assert totals(one.total(counted(1, 1)))["retries_total"] == 13
    assert totals(replaced.total(counted(2, 0)))["inflight"] == 0


def test_worker_that_falls_silent_still_counts_but_says_nothing_of_the_present(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = [Slot(), Slot()]
    WorkerMetrics(slots, 1).publish(counted(10, 4))
    later = time.monotonic() + 60
    monkeypatch.setattr("downstream_proxy.metrics_shared.time.monotonic", lambda: later)
    assert totals(WorkerMetrics(slots, 0).total(counted(1, 1))) == {
        "retries_total": 11,
        "inflight": 1,
        "downstream_proxy_workers": 1,
    }


def test_slot_that_is_torn_gives_what_was_written_before() -> None:
    slot = Slot()
    slot.write(b"first")
    slot.write(b"second")
    assert slot.read()[0] == b"second"
    # A third write that is killed before its end has touched the half of the first only.
    at = slot._half(3)
    slot._memory[at : at + 40] = b"x" * 40
    assert slot.read()[0] == b"second"
    with pytest.raises(ValueError, match="more than"):
        slot.write(b"x" * (1 << 21))
    assert slot.read()[0] == b"second"
