"""The generated sections of compare.md as Markdown. Pure; must not know the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ..cost import reading
from ..cost import tables as cost_tables
from ..cost.plan import CONTROL, REFERENCE
from ..cost.points import CENTRE
from ..grid import Grid, markdown
from ..proxies import DIRECT
from ..results import Results
from ..tables import tables as proxy_tables
from ..tables import warnings
from . import backends
from .decide import Answer, answer
from .evidence import BROKEN, ERROR, KEPT, NOT_OFFERED, UNKNOWN, Cell, Evidence, Topic
from .needs import NEEDS, PLAIN

MARKS = {KEPT: "yes", NOT_OFFERED: "–", ERROR: "error", UNKNOWN: ""}


def table(head: list[str], rows: list[list[str]], figures: bool = False) -> str:
    """A Markdown table; `figures`: all columns but the first to the right."""
    rule = ["---"] + ["---:" if figures else "---"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def decision(evidence: Evidence) -> str:
    """If you need X, take Y, because of row Z."""
    rows = []
    for need in (PLAIN, *NEEDS):
        found = answer(evidence, [need] if need.flag else [])
        if found.rows or found.refused:
            flag = f"`--{need.flag}`" if need.flag else ""
            rows.append([need.title, _take(found), _because(found), flag])
    return table(["if you need", "take", "because", "`recommend`"], rows)


def _take(found: Answer) -> str:
    if _unmeasured(found):
        return "not measured yet"
    if not found.rows:
        near = " or ".join(row.subject for row in found.nearest)
        return f"nobody keeps it all; nearest: **{near}**" if near else "nobody who was measured"
    return " or ".join(f"**{name}**" for name in found.taken)


def _unmeasured(found: Answer) -> bool:
    """True when the run did not get to the point at all."""
    told = set(found.refused.values())
    return not found.rows and any(f"{point}: {UNKNOWN}" in told for point in found.points)


def _because(found: Answer) -> str:
    if _unmeasured(found):
        return f"this run has no {' or '.join(cost_tables.title(point) for point in found.points)}"
    if not found.rows:
        figures = {row.subject: f", {' and '.join(row.figures)}" for row in found.nearest}
        shown = sorted(found.refused, key=lambda name: name not in figures)
        told = [f"{name}: {_flaw(found, name)}{figures.get(name, '')}" for name in shown[:3]]
        return "; ".join([*told, *(["..."] if len(shown) > 3 else [])])
    first = [row for row in found.rows if row.group == 0]
    what = "; ".join(f"{row.subject} {' and '.join(row.figures)}" for row in first[:3])
    if len(first) > 3:
        what += f"; and {len(first) - 3} more that the noise does not part from them"
    told = [what]
    mine = found.reference
    if mine and mine.group > 0:
        told.append(
            f"aiohttp takes {' and '.join(mine.figures)}, {1 / first[0].ratio.median:.1f} times as much"
        )
    later = next((row for row in found.rows if row.group == 1 and row is not mine), None)
    if later:
        told.append(f"next is {later.subject} with {' and '.join(later.figures)}")
    told += (
        f"{row.subject} is cheaper with {' and '.join(row.figures)}, but {_flaw(found, row.subject)}"
        for row in found.cheaper[:1]
    )
    where = " and ".join(cost_tables.title(point) for point in found.points)
    return f"{'; '.join(told)} ({where})"


def _flaw(found: Answer, name: str) -> str:
    return found.refused[name].partition(" (")[0]


def losses(evidence: Evidence) -> str:
    """Where aiohttp is not in the first group, point by point."""
    cost, noise = evidence.cost, reading.noise(evidence.cost)
    lines = []
    for point in cost_tables.measured(cost):
        read = reading.latency("p99") if point.startswith("arrivals-") else reading.cpu
        better = [
            f"{name} ({ratios.median:.2f})"
            for name in reading.subjects(cost)
            if evidence.kind(name) == "client" and name != REFERENCE
            if (ratios := reading.ratio(cost, point, name, read)) and reading.word(ratios, noise) == "cheaper"
        ]
        if better:
            what = "p99" if point.startswith("arrivals-") else "CPU time per request"
            lines.append(f"- **{cost_tables.title(point)}**, {what}: {', '.join(better)} of aiohttp's.")
    return "\n".join(lines) or "At no point was another library cheaper by more than the noise."


def cost(evidence: Evidence) -> str:
    return grids(cost_tables.tables(evidence.cost))


def grids(shown: list[Grid]) -> str:
    return "\n".join(markdown(grid) for grid in shown)


def behaviour(evidence: Evidence) -> str:
    """A row per topic and a column per subject; every cell is a run of tests."""
    found = evidence.behaviour
    if not found.topics:
        return "Not measured yet."
    names = [name for name in reading.subjects(evidence.cost) if name in found.cells]
    names += [name for name in found.cells if name not in names and name != CONTROL]
    parts = []
    for kind, title in (("client", "Client libraries"), ("", "Recipes, our backends, other proxies")):
        chosen = [name for name in names if (evidence.kind(name) == "client") == bool(kind)]
        if chosen:
            rows = [
                [_topic(topic), *(_mark(found.cell(name, topic.id)) for name in chosen)]
                for topic in found.topics
            ]
            parts.append(f"**{title}**\n\n{table(['rule', *chosen], rows)}")
    parts.append(_why_not(evidence, names))
    return "\n\n".join(part for part in parts if part)


def _mark(cell: Cell) -> str:
    if cell.result in MARKS:
        return MARKS[cell.result]
    return "**no**" if cell.result == BROKEN else f"{cell.kept_rules} of {cell.asked}"


def _topic(topic: Topic) -> str:
    """With a link to each rule of the contract behind it."""
    rules = [rule for rule in topic.rules if not rule.startswith("probe.")]
    if len(rules) < 2:
        return f"[{topic.title}]({_anchor(rules[0])})" if rules else topic.title
    links = ", ".join(f"[{number}]({_anchor(rule)})" for number, rule in enumerate(rules, 1))
    return f"{topic.title} ({links})"


def _anchor(rule: str) -> str:
    # GitHub's anchor of the heading `### chapter.name`.
    return f"docs/contract.md#{rule.replace('.', '').lower()}"


def _why_not(evidence: Evidence, names: list[str]) -> str:
    lines = []
    for name in names:
        told = [
            f"  - {topic.title}: {plain(cell.evidence)}"
            for topic in evidence.behaviour.topics
            if not (cell := evidence.behaviour.cell(name, topic.id)).kept and cell.evidence
        ]
        lines += [f"- **{name}**", *told] if told else []
    if not lines:
        return ""
    head = "<details><summary>What was seen where the answer is not yes</summary>"
    return "\n".join([head, "", *lines, "", "</details>"])


def plain(text: str) -> str:
    """Text of a test's message, so that Markdown takes none of it for its own."""
    for character in "\\`*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return text


def faults(evidence: Evidence) -> str:
    """What the end user sees, and how long it takes until all is well again."""
    stored = evidence.faults
    kinds = stored.get("faults", [])
    if not kinds:
        return "Not measured yet."
    rows = [
        [name, *(_fault(cells.get(kind["id"])) for kind in kinds)] for name, cells in stored["cells"].items()
    ]
    return table(["subject", *(kind["title"] for kind in kinds)], rows)


def _fault(cell: dict[str, Any] | None) -> str:
    if not cell:
        return "-"
    recovery = cell.get("recovery_s")
    seen = str(cell.get("seen", "-")).replace("|", "/")
    return seen if recovery is None else f"{seen}; well again after {recovery:,.1f} s"


def claims(evidence: Evidence) -> str:
    """Each claim with its verdict and the program that shows it."""
    stored = evidence.claims.get("claims", [])
    if not stored:
        return "Not checked yet."
    rows = [
        [entry["claim"], f"**{entry['verdict']}**", entry["why"], f"[{entry['demo']}]({entry['demo']})"]
        for entry in stored
    ]
    return table(["claim", "verdict", "what was seen", "run it"], rows)


def proxies(evidence: Evidence) -> str:
    """The tables of `compare proxies`."""
    found = evidence.proxies
    if found is None:
        return "Not measured yet."
    told = [f"Rounds of {found.settings.get('seconds')} s: {found.settings.get('rounds')}."]
    told += [f"- {line}" for line in warnings(found)]
    return grids(proxy_tables(found)) + "\n" + "\n".join(told)


def environment(results: Results) -> str:
    """The machine and the versions."""
    block = results.environment
    direct = reading.figure(results, CENTRE, DIRECT, reading.rate)
    tools = ", ".join(f"{name} {version}" for name, version in block.get("tools", {}).items())
    packages = {**block.get("packages", {})}
    rows = [
        ["CPU", f"{block.get('cpu')}, {block.get('cores')} cores"],
        ["cores used", f"subject {block.get('proxy_cores')}, generator and origin {block.get('load_cores')}"],
        ["kernel", f"Linux {block.get('kernel')}"],
        ["Python", f"{block.get('python')}, {block.get('loop')}"],
        ["HTTP parser", block.get("parser", "-")],
        ["TLS", block.get("tls", "-")],
        ["origin", str(block.get("origin"))],
        ["tools", tools],
        [
            "generator and origin alone",
            f"{direct.median:,.0f} answers a second on one core" if direct else "-",
        ],
        ["packages", ", ".join(f"{name} {version}" for name, version in packages.items())],
        ["libraries", _versions(results)],
        ["priority", str(block.get("priority", "as other programs"))],
        ["measured", str(block.get("date"))],
        ["rounds", _rounds(results)],
    ]
    return table(["what", "here"], rows)


def _rounds(results: Results) -> str:
    """How many were planned, and how many measurements each figure has at least and at most."""
    counts = Counter(
        (sample.workload, sample.peer) for sample in results.samples if sample.peer != DIRECT
    ).values()
    planned = f"{results.settings.get('rounds')}, each measurement {results.settings.get('seconds')} s"
    if not counts or min(counts) == max(counts) == results.settings.get("rounds"):
        return planned
    return f"{planned}; not all were made, so a figure is of {min(counts)} to {max(counts)} measurements"


def _versions(results: Results) -> str:
    return ", ".join(
        f"{name} {peer['version']}"
        for name, peer in results.peers.items()
        if peer.get("kind") == "client" and peer.get("version")
    )


def extent(results: Results) -> str:
    """A paragraph that says how much of the plan this run is; nothing when it is all of it."""
    rounds, planned = len({sample.round for sample in results.samples}), results.settings.get("rounds", 1)
    points, wanted = len(cost_tables.measured(results)), len(results.settings.get("points", ()))
    if rounds >= planned and points >= wanted:
        return ""
    return (
        f"**This is a part of the plan**: {points} of {wanted} points, {rounds} of {planned} rounds. "
        "`python3 run.py compare` measures the rest, `compare --report` then writes this page anew.\n\n"
    )


def checks(results: Results) -> str:
    """The self-check's lines."""
    found = cost_tables.notes(results)
    return (
        "\n".join(f"- {line}." for line in found)
        or "- Nothing else used the cores, and no generator was the limit."
    )


SECTIONS: dict[str, Callable[[Evidence], str]] = {
    "extent": lambda evidence: extent(evidence.cost),
    "decision": decision,
    "losses": losses,
    "cost": cost,
    "behaviour": behaviour,
    "faults": faults,
    "claims": claims,
    "backends": backends.section,
    "proxies": proxies,
    "environment": lambda evidence: environment(evidence.cost),
    "checks": lambda evidence: checks(evidence.cost),
}
