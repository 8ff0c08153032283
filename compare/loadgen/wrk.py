"""Closed-loop load by wrk: so many connections, each sending its next request when the last is answered.

It finds the saturated rate and is right for cost per request. Its latencies are those of a
saturated server, so they say nothing about a server with room to spare: for that see h2load.py.
The report is written as JSON by a Lua `done` hook, so no text is parsed; the request itself
stays static, which wrk sends without calling Lua.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .. import programs
from ..pin import pinned

DONE = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"status":%d,"timeout":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    latency.max))
end
"""
POST = """\
wrk.method = "POST"
wrk.body = string.rep("x", {size})
wrk.headers["Content-Type"] = "application/octet-stream"
"""


@dataclass(frozen=True, slots=True)
class ClosedResult:
    """Counts over the run; latencies in milliseconds; `bytes` counts the responses with their heads."""

    requests: int
    seconds: float
    bytes: int
    errors: dict[str, int]
    latency_ms: dict[str, float]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def missing() -> str | None:
    """Why wrk cannot run, or None."""
    return programs.missing("wrk", "wrk")


def parse(output: str) -> ClosedResult:
    """The result from what wrk printed. Raises ValueError when the JSON line is not there."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if line is None:
        raise ValueError(f"wrk printed no result: {output.strip()[-200:]!r}")
    shown = json.loads(line)
    return ClosedResult(
        requests=shown["requests"],
        seconds=shown["duration_us"] / 1e6,
        bytes=shown["bytes"],
        errors={
            kind: shown[kind] for kind in ("connect", "read", "write", "status", "timeout") if shown[kind]
        },
        latency_ms={name: shown[f"{name}_us"] / 1000 for name in ("p50", "p90", "p99", "p999", "max")},
    )


def run(
    url: str, *, connections: int, seconds: float, post: int, cores: Collection[int], folder: Path
) -> ClosedResult:
    """Load `url` for so long; `post` is the size of the upload in bytes, 0 for a GET.

    wrk takes whole seconds; a fraction is rounded up. Raises ValueError when wrk fails.
    """
    script = folder / f"wrk-{post}.lua"
    script.write_text((POST.format(size=post) if post else "") + DONE)
    duration = max(1, math.ceil(seconds))
    command = [
        programs.path("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{duration}s",
        "--timeout",
        "15s",
        "-s",
        str(script),
        url,
    ]
    done = subprocess.run(
        pinned(command, cores), capture_output=True, text=True, timeout=duration + 60, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"wrk failed: {(done.stderr or done.stdout).strip()[-200:]}")
    return parse(done.stdout)
