"""The pages of docs/scorecards, printed from the kept results. Must not know how those came about."""

from __future__ import annotations

from typing import Any

from downstream_proxy.contract import RULES

from .proxies import PEERS
from .scorecard_notes import NOTES, READING

MUST, SHOULD, OWN = "RFC MUST", "RFC SHOULD", "own decision"
BAD = {"broken", "not offered"}
GENERATED = "<!-- Printed by `python -m compare.scorecards`; a new run writes it anew. -->\n"


def pages(found: dict[str, Any]) -> dict[str, str]:
    """File names and texts: README.md with all peers, and one page for each."""
    names = [name for name in PEERS if name in found]
    return {
        "README.md": _overview({name: found[name] for name in names}),
        **{f"{name}.md": _page(name, found[name]) for name in names},
    }


def _overview(found: dict[str, Any]) -> str:
    lines = [GENERATED, "# Scorecards", "", READING, ""]
    lines += [
        "| | version | MUST kept | broken | SHOULD kept | broken | decisions kept | not offered | date |"
    ]
    lines += ["| --- | --- | --: | --: | --: | --: | --: | --: | --- |"]
    for name, score in found.items():
        cells = [f"[{score['title']}]({name}.md)", score["version"]]
        for basis, bad in ((MUST, "broken"), (SHOULD, "broken"), (OWN, "not offered")):
            row = score["counts"][basis]
            cells += [str(row.get("kept", 0)), str(row.get(bad, 0))]
        lines.append(f"| {' | '.join([*cells, score['date']])} |")
    for basis, heading in (
        (MUST, "What an RFC demands, where at least one breaks it"),
        (SHOULD, "What an RFC advises, where at least one breaks it"),
        (OWN, "Decisions of this contract, where at least one does otherwise"),
    ):
        lines += ["", f"## {heading}", "", *_matrix(found, basis)]
    lines += ["", "## Notes", ""]
    for name, score in found.items():
        lines += [f"- **{score['title']}**: {note}" for note in NOTES.get(name, ())]
    return "\n".join(lines) + "\n"


def _matrix(found: dict[str, Any], basis: str) -> list[str]:
    """A row for each rule with a failure: failed and all tests of it, by peer."""
    cells: dict[str, dict[str, str]] = {}
    failing = set()
    for name, score in found.items():
        for part in score["parts"]:
            if part["basis"] != basis:
                continue
            if part["verdict"] in BAD:
                failing.add(part["rule"])
            cells.setdefault(part["rule"], {})[name] = _cell(part)
    if not failing:
        return ["None."]
    lines = [f"| rule | {' | '.join(score['title'] for score in found.values())} |"]
    lines.append(f"| --- |{' --- |' * len(found)}")
    for rule in RULES:
        if rule in failing:
            row = " | ".join(cells[rule].get(name, "") for name in found)
            lines.append(f"| [{rule}](../contract.md#{_anchor(rule)}) | {row} |")
    return lines


def _cell(part: dict[str, Any]) -> str:
    if part["verdict"] == "kept":
        return "kept"
    if part["verdict"] in BAD:
        return f"**{part['failed']} of {part['failed'] + part['passed']}**"
    return "skipped"


def _anchor(rule: str) -> str:
    return rule.replace(".", "")


def _page(name: str, score: dict[str, Any]) -> str:
    lines = [GENERATED, f"# {score['title']}", "", f"Version {score['version']}, {score['date']}.", ""]
    lines += [f"- {line}" for line in score["summary"].split("; ")]
    lines += ["", *(f"{note}\n" for note in NOTES.get(name, ()))]
    without = "".join(f" --without {capability}" for capability in score["without"])
    lines += ["## How it ran", "", "```console", f"$ {score['started']}"]
    lines += [
        f"$ downstream-proxy check http://127.0.0.1:PORT --origin-listen 127.0.0.1:ORIGIN_PORT{without}",
        "```",
        "",
        f"{PEERS[name].settings[0].upper()}{PEERS[name].settings[1:]}.",
    ]
    for file, text in score["configuration"].items():
        lines += ["", f"`{file}`:", "", "```", text.rstrip(), "```"]
    for basis, heading in (
        (MUST, "Broken: what an RFC demands"),
        (SHOULD, "Broken: what an RFC advises"),
        (OWN, "Not offered: decisions of this contract"),
    ):
        bad = [part for part in score["parts"] if part["basis"] == basis and part["verdict"] in BAD]
        lines += ["", f"## {heading}", ""]
        lines += [line for part in bad for line in _failed(part)] or ["None."]
    reasons = sorted({reason for part in score["parts"] for reason in part.get("skipped", ())})
    lines += ["", "## Why parts were skipped", "", *(f"- {reason}" for reason in reasons)]
    return "\n".join(lines) + "\n"


def _failed(part: dict[str, Any]) -> list[str]:
    rule = RULES.get(part["rule"])
    told = f"{rule.sentence} {rule.reference}." if rule else "No longer a rule."
    lines = [f"- **{part['rule']}** ({part['failed']} of {part['failed'] + part['passed']} tests): {told}"]
    for failure in part["failures"]:
        lines += [
            f"  - {failure['test']}: expected {_inline(failure['expected'])}, got {_inline(failure['got'])}"
        ]
    return lines


def _inline(text: str) -> str:
    """As code, on one line."""
    text = " ".join(text.split()).replace("`", "'")
    return f"`{text}`"
