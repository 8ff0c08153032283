"""The comparison from end to end, as short as it gets: does it work, not how fast is anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compare import bench, programs

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(sys.platform != "linux", reason="the comparison runs on Linux only"),
    pytest.mark.skipif(bool(bench.missing_tools()), reason="; ".join(bench.missing_tools())),
]
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "compare", "proxies", "--rounds", "1", "--seconds", "1", "--warm", "0"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def run(tmp_path: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    file = tmp_path / "results.json"
    done = subprocess.run(
        [*COMMAND, *arguments, "--json", str(file)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_closed_loop_measures_our_backends_beside_a_peer(tmp_path: Path) -> None:
    shown, stored = run(tmp_path, "--peers", "aiohttp,fastapi,nginx", "--workloads", "get-1k")
    assert {sample["peer"] for sample in stored["samples"]} == {"aiohttp", "fastapi", "nginx", "direct"}
    for sample in stored["samples"]:
        assert sample["error"] is None
        assert sample["failed"] == 0
        assert sample["requests"] > 0
        assert (sample["cpu_us"] is None) == (sample["peer"] == "direct")
    assert "fastapi / aiohttp" in shown
    assert {"cpu", "kernel", "python", "loop", "packages", "tools", "origin"} <= stored["environment"].keys()


def test_upload_and_open_loop_over_our_backend(tmp_path: Path) -> None:
    arguments = ("--peers", "aiohttp", "--workloads", "post-64k,p99", "--rate", "300", "--markdown")
    shown, stored = run(tmp_path, *arguments)
    samples = {sample["workload"]: sample for sample in stored["samples"] if sample["peer"] == "aiohttp"}
    assert [sample["error"] for sample in samples.values()] == [None, None]
    assert samples["p99"]["open_loop"]["asked_rate"] == 300
    assert 0 < samples["p99"]["latency_ms"]["p50"] <= samples["p99"]["latency_ms"]["p99"]
    assert "| aiohttp |" in shown


def test_stored_results_are_shown_again(tmp_path: Path) -> None:
    shown, _ = run(tmp_path, "--peers", "nginx", "--workloads", "get-1k", "--markdown")
    again = subprocess.run(
        [*COMMAND, "--from", str(tmp_path / "results.json"), "--markdown"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == shown


def test_interrupt_shows_what_was_measured_and_ends_everything(tmp_path: Path) -> None:
    if not programs.find("nginx"):
        pytest.skip("nginx is not installed")
    # A shell that runs the suite in the background has its children ignore SIGINT.
    listening = ["env", "--default-signal=INT", *COMMAND]
    process = subprocess.Popen(
        [*listening, "--rounds", "50", "--peers", "nginx", "--workloads", "get-1k"],
        cwd=ROOT,
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    before = []
    for line in process.stderr:
        before.append(line)
        if line.startswith("[1/"):
            break
    process.send_signal(signal.SIGINT)
    shown, told = process.communicate(timeout=30)
    assert process.returncode == 0, "".join(before) + told
    assert "interrupted" in told
    assert "Requests per second" in shown
    # The origin and the proxies had their folders here; what is gone was ended first.
    assert list(tmp_path.iterdir()) == []
