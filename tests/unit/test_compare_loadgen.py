"""What the comparison reads from wrk and h2load, and how it spreads a rate over connections."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare.loadgen import h2load, wrk
from compare.pin import pinned

pytestmark = pytest.mark.timeout(30)

WRK = {
    "requests": 1000,
    "duration_us": 2_000_000,
    "bytes": 1_188_000,
    "connect": 0,
    "read": 1,
    "write": 0,
    "status": 2,
    "timeout": 0,
    "p50_us": 800,
    "p90_us": 1200,
    "p99_us": 2500,
    "p999_us": 9000,
    "max_us": 12000,
}


def test_wrk_result_is_the_json_line_after_its_own_words() -> None:
    result = wrk.parse(f"Running 2s test @ http://127.0.0.1:1/1k\n  1 threads\n{json.dumps(WRK)}\n")
    assert (result.requests, result.seconds, result.rate) == (1000, 2.0, 500.0)
    assert result.errors == {"read": 1, "status": 2}
    assert result.failed == 3
    assert result.latency_ms == {"p50": 0.8, "p90": 1.2, "p99": 2.5, "p999": 9.0, "max": 12.0}


def test_wrk_without_a_result_says_what_it_printed() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


@given(st.floats(1, 100_000), st.floats(0.5, 30), st.floats(0, 5))
def test_schedule_keeps_the_rate_and_spreads_the_clocks(rate: float, seconds: float, warm: float) -> None:
    plan = h2load.schedule(rate, seconds, warm)
    assert plan.connections in h2load.CONNECTIONS
    assert plan.per_connection * plan.connections == pytest.approx(rate)
    assert plan.requests % plan.connections == 0
    assert plan.requests >= rate * seconds
    assert plan.warm >= plan.interval
    assert plan.period_ms >= 1
    assert plan.opened >= 1
    # All connections are open after about one interval; a period is whole milliseconds, so roughly.
    assert plan.connections / plan.opened * plan.period_ms / 1000 <= 2 * plan.interval + 0.01


def _log(rows: list[tuple[int, int, int]]) -> list[str]:
    return [f"{start}\t{status}\t{latency}" for start, status, latency in rows]


def test_log_drops_the_warm_up_and_counts_failures() -> None:
    plan = h2load.schedule(80, 1)  # 8 connections, 10 requests a second each: warm for 100 ms
    late = [(200_000 + index * 1000, 200, 1000) for index in range(99)]
    result = h2load.parse_log(_log([(0, 200, 90_000), *late, (300_000, -1, 5)]), plan)
    assert result.requests == 100
    assert result.failed == 1
    assert result.added == 0
    assert result.rate == pytest.approx(990)
    assert result.latency_ms["p99"] == 1.0
    assert result.latency_ms["max"] == 1.0


def test_log_corrects_a_stall_longer_than_the_interval() -> None:
    plan = h2load.schedule(80, 1)
    rows = [(0, 200, 500), (200_000, 200, 350_000), (600_000, 200, 500), (700_000, 200, 500)]
    result = h2load.parse_log(_log(rows), plan)
    assert result.added == pytest.approx(3 / 6)
    assert result.latency_ms["max"] == 350.0
    assert result.latency_ms["p50"] == 50.0


def test_log_out_of_order_is_sorted() -> None:
    plan = h2load.schedule(80, 1)
    rows = [(400_000, 200, 1000), (0, 200, 1000), (300_000, 200, 1000)]
    assert h2load.parse_log(_log(rows), plan).requests == 2


@pytest.mark.parametrize(
    ("lines", "words"), [([], "no log"), (["0\t-1\t5", "900000\t-1\t5"], "no successful")]
)
def test_log_without_a_success_is_an_error(lines: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        h2load.parse_log(lines, h2load.schedule(80, 1))


def test_pinned_command_names_this_process_and_the_cores() -> None:
    command = pinned(["wrk", "-t1"], {3, 1})
    assert command[-4:] == [str(os.getpid()), "1,3", "wrk", "-t1"]


def test_h2load_logs_no_status_for_an_answer_without_a_reason_phrase() -> None:
    plan = h2load.schedule(100, 1)
    lines = [
        f"{1_000_000 + index * 200_000}\t{status}\t900" for index, status in enumerate((200, 0, 0, 0, 0, -1))
    ]
    result = h2load.parse_log(lines, plan)
    assert result.failed == 1
