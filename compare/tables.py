"""Turns a run's results into tables and warnings. Pure; must not know how they are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .bounds import BOUNDS, Verdict, judge
from .grid import Grid
from .proxies import DIRECT
from .results import Results
from .samples import Sample
from .stats import Spread, spread
from .workloads import WORKLOADS, Workload

Read = Callable[[Sample], float | None]


def tables(results: Results) -> list[Grid]:
    """All tables that have something to show, the verdict first."""
    made = [
        bounds_table(results),
        cost_table(results, "CPU time per request, microseconds", lambda sample: sample.cpu_us, 1),
        cost_table(results, "Requests per second on one core", lambda sample: sample.rate, 0),
        latency_table(results),
        growth_table(results),
        memory_table(results),
        left_out_table(results),
    ]
    return [grid for grid in made if grid.rows]


def _median(results: Results, workload: str, part: str, peer: str, read: Read) -> Spread | None:
    return spread(
        value
        for sample in results.samples
        if (sample.workload, sample.part, sample.peer) == (workload, part, peer) and sample.valid
        if (value := read(sample)) is not None
    )


def _span(found: Spread | None, digits: int) -> str:
    if found is None:
        return "-"
    text = f"{found.median:,.{digits}f}"
    return text if found.count == 1 else f"{text} ({found.low:,.{digits}f}-{found.high:,.{digits}f})"


def _measured(results: Results) -> list[str]:
    """Workloads with a sample, in their fixed order."""
    names = {sample.workload for sample in results.samples}
    return [name for name in WORKLOADS if name in names]


def _rows(results: Results, workload: Workload) -> list[str]:
    """Peers with a sample in it, in the order of the registry."""
    names = {sample.peer for sample in results.samples if sample.workload == workload.name}
    return [name for name in (*results.peers, DIRECT) if name in names]


def verdicts(results: Results) -> list[Verdict]:
    """The bounds whose workload was measured."""
    measured = _measured(results)
    return [judge(bound, results.samples) for bound in BOUNDS if bound.workload in measured]


def bounds_table(results: Results) -> Grid:
    head = ["workload", "ratio of", "at most", "median", "low-high", "rounds", "verdict"]
    grid = Grid("Bounds: ratios within a round", head)
    for verdict in verdicts(results):
        bound, ratios = verdict.bound, verdict.ratios
        row = [WORKLOADS[bound.workload].title, bound.label(), f"{bound.at_most:.3g}"]
        if ratios is None:
            row += ["-", "-", "0", "not measured"]
        else:
            word = "met" if verdict.met else "not met"
            row += [f"{ratios.median:.3f}", f"{ratios.low:.3f}-{ratios.high:.3f}", str(ratios.count)]
            row.append(word if verdict.settled else f"{word}, rounds differ")
        grid.rows.append(row)
    return grid


def cost_table(results: Results, title: str, read: Read, digits: int) -> Grid:
    shown = [
        name for name in _measured(results) if WORKLOADS[name].parts.keys() == {"main"} and name != "memory"
    ]
    # Only the closed loop finds these figures.
    closed = [name for name in shown if WORKLOADS[name].parts["main"].kind == "closed"]
    grid = Grid(title, ["peer", *(WORKLOADS[name].title for name in closed)])
    for peer in (*results.peers, DIRECT):
        found = [_median(results, name, "main", peer, read) for name in closed]
        if any(found):
            grid.rows.append([peer, *(_span(value, digits) for value in found)])
    return grid


def latency_table(results: Results) -> Grid:
    head = ["peer", "saturated, 1/s", "sent, 1/s", "p50, ms", "p99, ms", "p99.9, ms", "corrected"]
    grid = Grid("Latency at half the saturated rate, open loop", head)
    for peer in _rows(results, WORKLOADS["p99"]):
        reads: list[tuple[Read, int]] = [
            (lambda sample: sample.rate, 0),
            (lambda sample: sample.open_loop.get("rate"), 0),
            (lambda sample: sample.latency_ms.get("p50"), 2),
            (lambda sample: sample.latency_ms.get("p99"), 2),
            (lambda sample: sample.latency_ms.get("p999"), 2),
        ]
        row = [_span(_median(results, "p99", "main", peer, read), digits) for read, digits in reads]
        added = _median(results, "p99", "main", peer, lambda sample: sample.open_loop.get("added"))
        if added:
            grid.rows.append([peer, *row, f"{added.median:.2%}"])
    return grid


def growth_table(results: Results) -> Grid:
    grid = Grid("Growth: CPU time per request, microseconds", ["workload", "peer", "base", "grown"])
    for name in _measured(results):
        workload = WORKLOADS[name]
        if "grown" in workload.parts:
            for peer in _rows(results, workload):
                parts = [
                    _median(results, name, part, peer, lambda sample: sample.cpu_us)
                    for part in ("base", "grown")
                ]
                grid.rows.append([workload.title, peer, *(_span(part, 1) for part in parts)])
    return grid


def memory_table(results: Results) -> Grid:
    grid = Grid(
        "Resident memory of all its processes",
        [
            "peer",
            "at rest, MiB",
            "shared pages once, MiB",
            "per idle connection, KiB",
            "per active stream, KiB",
        ],
    )
    for peer in _rows(results, WORKLOADS["memory"]):
        kinds = (("rss", 1024), ("pss", 1024), ("per_idle", 1), ("per_stream", 1))
        found = [_median(results, "memory", "main", peer, _memory(kind, unit)) for kind, unit in kinds]
        grid.rows.append([peer, *(_span(value, 1) for value in found)])
    return grid


def _memory(kind: str, unit: int) -> Read:
    def read(sample: Sample) -> float | None:
        value = sample.memory.get(kind)
        return None if value is None else value / unit

    return read


def left_out_table(results: Results) -> Grid:
    grid = Grid("Left out", ["peer", "reason"])
    grid.rows = [[peer, reason] for peer, reason in results.left_out.items()]
    reasons: dict[tuple[str, str], list[str]] = {}
    for sample in results.samples:
        if not sample.valid:
            told = sample.error or f"{sample.failed} of {sample.requests} requests failed"
            reasons.setdefault((sample.peer, sample.workload), []).append(told)
    for (peer, workload), all_told in reasons.items():
        grid.rows.append(
            [peer, f"{workload}: {all_told[0]}" + (f" ({len(all_told)} times)" if len(all_told) > 1 else "")]
        )
    return grid


def warnings(results: Results) -> list[str]:
    """The self-check: what makes a figure less than it seems. One line for each peer and workload."""
    found = []
    if results.environment.get("proxy_cores") == results.environment.get("load_cores"):
        found.append("one core for all: the proxy competes with generator and origin, so no figure is sound")
    keys = dict.fromkeys((sample.workload, sample.part, sample.peer) for sample in results.samples)
    for workload, part, peer in keys:
        found += [
            f"{workload}{'' if part == 'main' else ' ' + part}, {peer}: {text}"
            for text in _checks(results, workload, part, peer)
        ]
    return found


def _checks(results: Results, workload: str, part: str, peer: str) -> Iterable[str]:
    def core(name: str) -> float:
        found = _median(results, workload, part, peer, lambda sample: sample.cores.get(name))
        return found.median if found else 0.0

    if peer != DIRECT and core("foreign") > 0.05:
        yield f"other programs took {core('foreign'):.0%} of the proxy's core"
    if core("stolen") > 0.02:
        yield f"the hypervisor took {core('stolen'):.0%} of the time"
    kind = WORKLOADS[workload].parts[part].kind
    if kind == "open":
        asked = _median(results, workload, part, peer, lambda sample: sample.open_loop.get("asked_rate"))
        sent = _median(results, workload, part, peer, lambda sample: sample.open_loop.get("rate"))
        if asked and sent and sent.median < 0.95 * asked.median:
            yield f"h2load sent only {sent.median:,.0f} of {asked.median:,.0f} a second"
        if core("load_busy") > 0.9:
            yield "the generator's core was full: latencies include waiting there"
    if kind == "closed" and peer != DIRECT and core("proxy_busy"):
        if core("proxy_busy") < 0.9 and core("load_busy") > 0.9:
            yield "generator and origin were the limit: its rate is theirs (its cost per request stands)"
        elif core("proxy_busy") < 0.9:
            yield f"neither side was busy (proxy {core('proxy_busy'):.0%}, load {core('load_busy'):.0%})"
