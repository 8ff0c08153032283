"""The comparison's bounds, tables, warnings and result files, on made-up samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compare import tables
from compare.bounds import BOUNDS, Bound, Side, judge
from compare.grid import Grid, markdown
from compare.progress import duration, summary
from compare.proxies import DIRECT, PEERS
from compare.results import Results
from compare.samples import Sample
from compare.workloads import WORKLOADS

pytestmark = pytest.mark.timeout(30)

HALF = Bound("get-1k", Side("aiohttp"), Side("caddy"), 0.5)


def sample(peer: str, cpu_us: float | None = 10.0, **fields: Any) -> Sample:
    values: dict[str, Any] = {
        "round": 0,
        "workload": "get-1k",
        "part": "main",
        "order": 0,
        "requests": 1000,
        "rate": 100.0,
    }
    return Sample(peer=peer, cpu_us=cpu_us, **(values | fields))


def results(*samples: Sample) -> Results:
    environment = {"proxy_cores": [0], "load_cores": [1]}
    peers = {name: {"title": name, "settings": "", "version": "1"} for name in PEERS}
    return Results(environment, {"rounds": 1}, peers, {}, list(samples))


def test_bound_is_met_by_the_median_of_ratios_within_rounds() -> None:
    # Round 1 was slow for both, which a ratio of medians would count against one of them.
    samples = [sample("aiohttp", value, round=index) for index, value in enumerate((4.0, 40.0, 6.0))]
    samples += [sample("caddy", value, round=index) for index, value in enumerate((10.0, 100.0, 10.0))]
    verdict = judge(HALF, samples)
    assert verdict.met is True
    assert verdict.ratios is not None
    assert (verdict.ratios.median, verdict.ratios.low, verdict.ratios.high) == (0.4, 0.4, 0.6)
    assert not verdict.settled


def test_bound_is_missed() -> None:
    verdict = judge(HALF, [sample("aiohttp", 6.0), sample("caddy", 10.0)])
    assert verdict.met is False
    assert verdict.settled


@pytest.mark.parametrize("worthless", [{"error": "did not start"}, {"failed": 2}])
def test_worthless_samples_leave_a_bound_unmeasured(worthless: dict[str, Any]) -> None:
    assert judge(HALF, [sample("aiohttp", 1.0, **worthless), sample("caddy", 10.0)]).met is None


def test_a_few_failures_in_a_thousand_still_count() -> None:
    assert judge(HALF, [sample("aiohttp", 1.0, failed=1), sample("caddy", 10.0)]).met is True


@pytest.mark.parametrize(
    ("cores", "stalled"),
    [
        ({"proxy_busy": 0.01, "load_busy": 0.04}, True),
        ({"proxy_busy": 0.99, "load_busy": 0.04}, False),
        ({"proxy_busy": 0.1, "load_busy": 0.9}, False),
        ({}, False),
    ],
)
def test_closed_loop_that_leaves_both_sides_idle_has_stalled(cores: dict[str, float], stalled: bool) -> None:
    assert sample("aiohttp", cores=cores).stalled is stalled


def test_growth_compares_two_parts_of_one_peer() -> None:
    bound = Bound("workers-2", Side("aiohttp", "grown"), Side("aiohttp", "base"), 1.1)
    samples = [sample("aiohttp", 12.0, workload="workers-2", part="grown")]
    samples.append(sample("aiohttp", 10.0, workload="workers-2", part="base"))
    verdict = judge(bound, samples)
    assert verdict.met is False
    assert bound.label() == "aiohttp: grown / base"


def test_latency_bound_reads_p99() -> None:
    bound = next(bound for bound in BOUNDS if bound.metric == "p99_ms")
    samples = [sample("aiohttp", 1.0, workload="p99", latency_ms={"p99": 3.0})]
    samples.append(sample("caddy", 99.0, workload="p99", latency_ms={"p99": 4.0}))
    verdict = judge(bound, samples)
    assert verdict.ratios is not None
    assert verdict.ratios.median == 0.75


def test_every_bound_names_known_peers_workloads_and_parts() -> None:
    for bound in BOUNDS:
        parts = WORKLOADS[bound.workload].parts
        for side in (bound.subject, bound.reference):
            assert side.peer in PEERS
            assert side.part in parts
            chosen = WORKLOADS[bound.workload].peers
            assert chosen is None or side.peer in chosen


def test_every_core_workload_has_a_bound() -> None:
    assert {name for name, workload in WORKLOADS.items() if workload.core} <= {
        bound.workload for bound in BOUNDS
    }


def test_tables_show_ratios_costs_and_the_direct_rate() -> None:
    found = results(
        sample("aiohttp", 9.0),
        sample("caddy", 10.0),
        sample(DIRECT, None, rate=1234.0, cores={"load_busy": 1}),
    )
    shown = {grid.title: grid for grid in tables.tables(found)}
    bounds = shown["Bounds: ratios within a round"]
    assert bounds.rows[0] == [
        "1 KiB, 64 in flight", "aiohttp / caddy", "1", "0.900", "0.900-0.900", "1", "met"
    ]  # fmt: skip
    assert [row[-1] for row in bounds.rows[1:]] == ["not measured"] * (len(bounds.rows) - 1)
    assert shown["CPU time per request, microseconds"].rows == [["aiohttp", "9.0"], ["caddy", "10.0"]]
    assert ["direct", "1,234"] in shown["Requests per second on one core"].rows


def test_tables_tell_why_a_peer_is_left_out() -> None:
    found = results(
        sample("haproxy", error="ended at start"), sample("haproxy", error="ended at start", round=1)
    )
    found.left_out["caddy"] = "caddy is not installed"
    grid = next(grid for grid in tables.tables(found) if grid.title == "Left out")
    assert grid.rows == [
        ["caddy", "caddy is not installed"],
        ["haproxy", "get-1k: ended at start (2 times)"],
    ]


def test_memory_and_latency_tables_convert_units() -> None:
    memory = {"rss": 2048.0, "pss": 1024.0, "per_idle": 8.25, "per_stream": 300.0}
    open_loop = {"rate": 500.0, "asked_rate": 500.0, "added": 0.01}
    found = results(
        sample("nginx", None, workload="memory", memory=memory),
        sample("nginx", workload="p99", open_loop=open_loop, latency_ms={"p50": 1, "p99": 2, "p999": 3}),
    )
    shown = {grid.title: grid.rows for grid in tables.tables(found)}
    assert shown["Resident memory of all its processes"] == [["nginx", "2.0", "1.0", "8.2", "300.0"]]
    assert shown["Latency at half the saturated rate, open loop"] == [
        ["nginx", "100", "500", "1.00", "2.00", "3.00", "1.00%"]
    ]


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        ({"proxy_busy": 0.6, "load_busy": 0.99}, "generator and origin were the limit"),
        ({"proxy_busy": 0.6, "load_busy": 0.5}, "neither side was busy"),
        ({"proxy_busy": 1.0, "foreign": 0.2}, "other programs took 20%"),
        ({"proxy_busy": 1.0, "stolen": 0.1}, "the hypervisor took 10%"),
    ],
)
def test_self_check_names_what_spoils_a_figure(cores: dict[str, float], words: str) -> None:
    (note,) = tables.warnings(results(sample("nginx", cores=cores)))
    assert note.startswith("get-1k, nginx: ")
    assert words in note


def test_self_check_is_silent_when_the_proxy_was_the_limit() -> None:
    assert tables.warnings(results(sample("nginx", cores={"proxy_busy": 0.99, "load_busy": 0.5}))) == []


def test_self_check_sees_a_generator_that_fell_behind() -> None:
    fields: dict[str, Any] = {"workload": "p99", "open_loop": {"rate": 400.0, "asked_rate": 500.0}}
    (note,) = tables.warnings(results(sample("nginx", cores={"load_busy": 0.5}, **fields)))
    assert "sent only 400 of 500" in note


def test_self_check_sees_one_core_for_all() -> None:
    found = results()
    found.environment["load_cores"] = [0]
    assert "no figure is sound" in tables.warnings(found)[0]


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    found = results(sample("nginx", latency_ms={"p99": 1.5}), sample("caddy", error="gone"))
    found.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == found


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"format": 1, "kind": "clients"}))
    with pytest.raises(ValueError, match="not a result"):
        Results.read(tmp_path / "other.json")


def test_markdown_aligns_figures_to_the_right() -> None:
    assert markdown(Grid("T", ["a", "b"], [["x", "1"]])) == "**T**\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_progress_speaks_plainly() -> None:
    assert duration(40) == "40 s"
    assert duration(600) == "10 min"
    assert summary(sample("nginx", 12.34)) == "12.3 us, 100/s"
    assert summary(sample("nginx", error="gone")) == "failed: gone"
