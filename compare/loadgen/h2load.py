"""Open-loop load by h2load at a fixed arrival rate, over HTTP/1.1, with coordinated omission corrected.

Why h2load, of the generators that a package manager offers:

- wrk has no arrival rate: each connection waits for its answer, so a slow moment hides itself.
- hey -q waits in each worker between two requests and measures from the actual sending: the same omission.
- autocannon -R (9.0) sends each connection's quota of a second in one burst at the start of that second,
  rounds latencies to whole milliseconds, and corrects with an expected interval of ceil(1/rate), which
  is always 1 ms: its percentiles at a fixed rate are those of the burst and of the correction.
- h2load --rps gives each connection a clock: what falls due while an answer is awaited is kept and sent
  after, and its log has one line per request, in microseconds. The log counts from the actual sending, so the
  wait of requests that fell due meanwhile is added by us (see stats.correct_omission). Connections are opened
  one after the other over one interval, so that their clocks are spread evenly, and there are so many that
  an interval (about 100 ms at modest rates) is long against a usual latency: the correction is
  then rarely needed, and the share of added values is reported.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import programs
from ..pin import pinned
from ..stats import correct_omission, percentile

INTERVAL = 0.1  # seconds between two requests of one connection, if the number of connections allows it
CONNECTIONS = range(8, 513)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a rate is spread: `opened` connections each `period_ms`, each sending `per_connection` a second.

    What is sent in the first `warm` seconds does not count.
    """

    rate: float
    connections: int
    per_connection: float
    opened: int
    period_ms: int
    requests: int
    warm: float

    @property
    def interval(self) -> float:
        """Seconds between two requests of one connection."""
        return 1 / self.per_connection


@dataclass(frozen=True, slots=True)
class OpenResult:
    """Latencies in milliseconds from the time a request was due; `added` is the corrected share of them."""

    requests: int
    failed: int
    rate: float
    asked_rate: float
    added: float
    latency_ms: dict[str, float]


def missing() -> str | None:
    """Why h2load cannot run, or None."""
    return programs.missing("h2load", "nghttp2-client")


def schedule(rate: float, seconds: float, warm: float = 0.0) -> Schedule:
    """Spread `rate` requests a second over connections, for `warm` and then `seconds` seconds. Pure."""
    connections = min(max(math.ceil(rate * INTERVAL), CONNECTIONS.start), CONNECTIONS.stop - 1)
    per_connection = rate / connections
    # All clocks should start within one interval, evenly: `opened` every `period_ms`.
    opened = max(1, round(rate / 1000))
    period_ms = max(1, round(1000 * opened / rate))
    # The connections open during the first interval, so that is warming up at least.
    warm = max(warm, 1 / per_connection)
    requests = connections * max(2, math.ceil(per_connection * (warm + seconds)))
    return Schedule(rate, connections, per_connection, opened, period_ms, requests, warm)


def parse_log(lines: Iterable[str], plan: Schedule) -> OpenResult:
    """The result from h2load's log: start in us since the epoch, status or -1, latency in us.

    Raises ValueError when the log is empty or nothing succeeded.
    """
    rows = sorted(tuple(int(field) for field in line.split("\t")[:3]) for line in lines if line.strip())
    if not rows:
        raise ValueError("h2load wrote no log")
    first = rows[0][0] + plan.warm * 1e6
    counted = [row for row in rows if row[0] >= first]
    good = [latency / 1000 for _, status, latency in counted if _answered(status)]
    if len(good) < 2:
        raise ValueError("h2load had no successful request")
    span = (counted[-1][0] - counted[0][0]) / 1e6
    ordered, added = correct_omission(good, plan.interval * 1000)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return OpenResult(
        requests=len(counted),
        failed=len(counted) - len(good),
        rate=(len(counted) - 1) / span if span > 0 else 0.0,
        asked_rate=plan.rate,
        added=added / len(ordered),
        latency_ms={name: round(percentile(ordered, share), 4) for name, share in shares.items()},
    )


def _answered(status: int) -> bool:
    # 0 is an answer whose status line has no reason phrase: h2load then never sees the status. A failure is
    # -1.
    return status == 0 or 200 <= status < 400


def run(
    url: str, *, rate: float, seconds: float, warm: float, cores: Collection[int], folder: Path
) -> OpenResult:
    """GET `url` at `rate` requests a second. Raises ValueError when h2load fails."""
    plan = schedule(rate, seconds, warm)
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)  # h2load appends
    command = [programs.path("h2load"), "--h1", "-t1", f"-c{plan.connections}", f"-n{plan.requests}"]
    command += [f"--rps={plan.per_connection:.6f}", f"-r{plan.opened}", f"--rate-period={plan.period_ms}ms"]
    command += [f"--log-file={log}", url]
    done = subprocess.run(
        pinned(command, cores), capture_output=True, text=True, timeout=(warm + seconds) * 3 + 60, check=False
    )
    if done.returncode != 0 or not log.exists():
        raise ValueError(f"h2load failed: {(done.stderr or done.stdout).strip()[-200:]}")
    return parse_log(log.read_text().splitlines(), plan)


def burst(url: str, *, connections: int, seconds: float, cores: Collection[int]) -> None:
    """Closed loop for part of a second, to warm something up; what it answers does not matter.

    wrk counts in whole seconds. Raises ValueError when h2load fails.
    """
    command = [programs.path("h2load"), "--h1", "-t1", f"-c{connections}", f"-D{seconds * 1000:.0f}ms", url]
    done = subprocess.run(
        pinned(command, cores), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"h2load failed: {(done.stderr or done.stdout).strip()[-200:]}")
