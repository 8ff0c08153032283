"""The capacity page: every number follows from the results beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from compare import capacity
from compare.results import Results
from compare.samples import Sample

PEERS = ("aiohttp", "fastapi")
ROOT = Path(__file__).resolve().parents[2]


def sample(workload: str, peer: str, cpu: float | None, **memory: float) -> Sample:
    return Sample(0, workload, "main", peer, 0, requests=1000, cpu_us=cpu, memory=dict(memory))


def written(path: Path, without: str = "") -> None:
    samples = [
        sample(work, peer, cpu)
        for peer in PEERS
        for work, cpu in (("get-1k", 50.0), ("get-64k", 100.0), ("tls", 60.0))
        if work != without
    ]
    samples += [sample("memory", peer, None, rss=51200, per_idle=4, per_stream=256) for peer in PEERS]
    environment = dict.fromkeys(("cpu", "cores", "python", "loop"), "x") | {"date": "2030-01-02T03:04"}
    Results(environment, {"rounds": 1, "seconds": 1}, samples=samples).write(path)


def test_the_arithmetic_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "RESULTS", tmp_path / "capacity.json")
    written(tmp_path / "capacity.json")
    text = capacity.markdown()
    assert "| GET, 1 KiB | 50 us | 12,000 |" in text
    assert "| aiohttp | 50 MiB | 4.0 KiB | 256 KiB |" in text
    assert "12,000 x 100 us = 1.20 cores of work; divided by 0.6 that is 2 workers" in text
    assert "`workers = 1` on each, 3 in all" in text
    assert "12,000 x 40 ms = 480 requests at once" in text
    assert "`pool.max_connections = 320`" in text
    assert "50 MiB + 10,000 x 4.0 KiB + 133 x 256 KiB = 122 MiB" in text


def test_a_figure_that_was_not_measured_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "RESULTS", tmp_path / "capacity.json")
    written(tmp_path / "capacity.json", without="tls")
    with pytest.raises(ValueError, match="no tls of aiohttp"):
        capacity.markdown()


def test_the_page_is_what_the_results_say() -> None:
    assert (ROOT / "docs" / "capacity.md").read_text() == capacity.markdown()
