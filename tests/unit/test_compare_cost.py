"""The cost run's plan, its figures and what may be said of them, on made-up samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compare import origin
from compare.cost import plan, points, reading, tables
from compare.cost.plan import CONTROL
from compare.process import Launch
from compare.proxies import DIRECT, Peer
from compare.proxies.peer import ORIGIN_TLS
from compare.results import COST, Results
from compare.samples import Sample
from compare.stats import Spread

pytestmark = pytest.mark.timeout(30)


def peer(name: str, *features: str) -> Peer:
    return Peer(name, name, "client", lambda: None, lambda: "1", lambda _: Launch([]), frozenset(features))


def sample(name: str, cpu_us: float = 100.0, **fields: Any) -> Sample:
    values: dict[str, Any] = {"round": 0, "workload": points.CENTRE, "part": "main", "order": 0}
    values |= {"requests": 2000, "rate": 1000.0}
    return Sample(peer=name, cpu_us=cpu_us, **(values | fields))


def results(*samples: Sample) -> Results:
    names = dict.fromkeys(sample.peer for sample in samples if sample.peer != DIRECT)
    peers = {name: {"title": name, "kind": "client", "version": "1"} for name in names}
    return Results({"proxy_cores": [0], "load_cores": [1]}, {}, peers, {}, list(samples), COST)


def test_every_point_is_done_by_every_subject_in_every_round() -> None:
    some = [points.POINTS["inflight-1"], points.POINTS["inflight-20"]]
    cells = plan.order([peer("a"), peer("b")], some, 3, seed=1, direct=False)
    assert len(cells) == 12
    assert [cell.round for cell in cells] == sorted(cell.round for cell in cells)
    orders = {tuple(cell.name for cell in cells[start : start + 2]) for start in range(0, 12, 2)}
    assert len(orders) == 2


def test_the_origin_alone_is_measured_once_per_point() -> None:
    cells = plan.order([peer("a")], [points.POINTS[points.CENTRE]], 2, seed=1)
    assert [(cell.round, cell.name) for cell in cells] == [(0, DIRECT), (0, "a"), (1, "a")]


def test_a_subject_without_tls_to_the_downstream_is_left_out_there() -> None:
    cells = plan.order([peer("a", ORIGIN_TLS), peer("b")], [points.POINTS["tls"]], 1, seed=1)
    assert [cell.name for cell in cells] == ["a"]


def test_a_budget_buys_points_first_and_then_rounds() -> None:
    listed = [points.POINTS[name] for name in points.PRIORITY]
    once = plan.estimate(listed[0], 1, 0.3) * 2
    assert plan.fit(listed, 2, once, 1, 0.3) == (1, 1)
    assert plan.fit(listed, 2, 0.0, 1, 0.3) == (1, 1)
    assert plan.fit(listed[:2], 2, 10_000, 1, 0.3) == (2, plan.MOST_ROUNDS)


def test_a_resumed_run_repeats_what_was_disturbed_or_is_missing() -> None:
    cells = plan.order([peer("a"), peer("b")], [points.POINTS[points.CENTRE]], 2, seed=1, direct=False)
    there = [sample("a"), sample("b", cores={"foreign": 0.5})]
    todo = [(cell.round, cell.name) for cell in plan.left(cells, there)]
    assert sorted(todo) == [(0, "b"), (1, "a"), (1, "b")]
    assert todo[-1] == (0, "b")


def test_every_line_and_the_priority_name_known_points() -> None:
    assert set(points.PRIORITY) == set(points.POINTS)
    assert {name for line in points.LINES.values() for name in line} == set(points.POINTS)


def test_the_readers_own_payload_and_service(tmp_path: Path) -> None:
    payload = tmp_path / "answer.json"
    payload.write_bytes(b"x" * 3000)
    shape = points.yours(payload, 35, None)["yours-20"].parts["main"]
    assert (shape.path, shape.body, shape.late_ms, shape.inflight) == ("/payload", 3000, 35, 20)
    shape = points.yours(None, 0, "http://10.0.0.1:81/items?page=2")["yours-arrivals"].parts["main"]
    assert (shape.path, shape.body) == ("/items?page=2", 0)


def test_a_late_answer_has_a_path_of_its_own() -> None:
    assert origin.late("/64k", 20) == "/late/20/64k"
    assert origin.late("/64k", 0) == "/64k"


def test_ratios_are_taken_within_a_round() -> None:
    found = results(
        sample("aiohttp", 100, round=0), sample("httpx", 500, round=0),
        sample("aiohttp", 1000, round=1), sample("httpx", 7000, round=1),
    )  # fmt: skip
    assert reading.ratio(found, points.CENTRE, "httpx", reading.cpu) == Spread(6.0, 5.0, 7.0, 2)


def test_noise_is_what_the_control_differs_from_the_reference() -> None:
    found = results(
        sample("aiohttp", 100), sample(CONTROL, 120),
        sample("aiohttp", 100, round=1), sample(CONTROL, 95, round=1),
    )  # fmt: skip
    assert reading.noise(found) == pytest.approx(0.2)
    assert reading.noise(results(sample("aiohttp"))) == reading.ONE_ROUND_NOISE


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.5, 0.8, "cheaper"), (0.5, 1.2, "same"), (1.2, 1.4, "dearer"), (0.98, 1.0, "same")],
)
def test_only_a_whole_range_outside_the_noise_is_told_apart(low: float, high: float, word: str) -> None:
    assert reading.word(Spread((low + high) / 2, low, high, 2), 0.05) == word


def test_subjects_whose_median_is_in_the_cheapest_ones_range_share_its_group() -> None:
    values = {"c": Spread(1, 0.9, 1.1, 3), "b": Spread(1.1, 1.05, 1.2, 3), "a": Spread(2, 1.9, 2.1, 3)}
    assert [tier.names for tier in reading.tiers(values, 0.03)] == [("b", "c"), ("a",)]


def test_one_lucky_round_makes_nobody_equal() -> None:
    values = {"steady": Spread(1, 0.9, 1.1, 2), "lucky": Spread(15, 1.0, 29, 2)}
    assert [tier.names for tier in reading.tiers(values, 0.03)] == [("steady",), ("lucky",)]


def test_a_rate_that_was_not_kept_has_no_latency() -> None:
    behind = sample("httpx", open_loop={"asked_rate": 1000.0, "rate": 300.0}, latency_ms={"p99": 900.0})
    steady = sample("httpx", open_loop={"asked_rate": 1000.0, "rate": 999.0}, latency_ms={"p99": 9.0})
    assert reading.latency("p99")(behind) is None
    assert reading.latency("p99")(steady) == 9.0


def test_the_last_thousandth_needs_a_thousand_answers() -> None:
    open_loop = {"asked_rate": 250.0, "rate": 250.0}
    few = sample("aiohttp", requests=400, open_loop=open_loop, latency_ms={"p999": 5.0})
    assert reading.latency("p999")(few) is None


def test_tables_keep_the_order_of_the_registry_and_say_who_was_left_out() -> None:
    found = results(sample("b", 300), sample("aiohttp", 100), sample("c", error="no answer in 1 s"))
    found.left_out["d"] = "not installed"
    shown = {grid.title: grid for grid in tables.tables(found)}
    assert [row[0] for row in shown["CPU time per request, microseconds"].rows] == ["b", "aiohttp"]
    assert shown["CPU time per request, as a multiple of aiohttp's"].rows == [
        ["b", "3.00"],
        ["aiohttp", "= (1.00)"],
    ]
    assert shown["Left out"].rows == [
        ["d", "all", "not installed"],
        ["c", "100 in flight", "no answer in 1 s"],
    ]


def test_the_self_check_names_disturbed_and_limited_measurements() -> None:
    found = results(
        sample("aiohttp", cores={"load_foreign": 0.4, "proxy_busy": 0.5}),
        sample("nginx", cores={"load_busy": 0.99, "proxy_busy": 0.5}),
    )
    once, disturbed, limited = tables.notes(found)
    assert once.startswith("one round only")
    assert disturbed.startswith("1 of 2 measurements were disturbed")
    assert "1 at 100 in flight" in disturbed
    assert limited.endswith("nginx at 100 in flight")


def test_cost_results_come_back_from_their_file(tmp_path: Path) -> None:
    found = results(sample("aiohttp", neighbour_ms={"p99": 1.5}), sample("httpx"))
    found.write(tmp_path / "cost.json")
    assert Results.read(tmp_path / "cost.json", COST) == found
    assert len((tmp_path / "cost.json").read_text().splitlines()) < 50
    with pytest.raises(ValueError, match="compare proxies"):
        Results.read(tmp_path / "cost.json")


def test_what_others_took_of_the_loads_core_counts_only_when_the_subject_had_to_wait() -> None:
    assert not sample("a", cores={"load_foreign": 0.6, "proxy_busy": 0.99, "foreign": 0.01}).disturbed
    assert sample("a", cores={"load_foreign": 0.6, "proxy_busy": 0.7, "foreign": 0.01}).disturbed
    assert sample("a", cores={"proxy_busy": 1.0, "foreign": 0.3}).disturbed
