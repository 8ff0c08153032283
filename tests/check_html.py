"""A scorecard as one self-contained HTML page, light and dark. Knows nothing of how the score came about."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2433; --soft: #5b6678; --page: #f5f6fa; --card: #fff;
  --line: #d5dae3; --kept: #1a7f4b; --broken: #b3261e; --skipped: #8a6100 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf2; --soft: #a2adbf; --page: #10151f;
  --card: #1b2230; --line: #3c4659; --kept: #4cc38a; --broken: #ff8a80; --skipped: #e0b24c } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
h1 { font-size: 1.4rem }
h2 { font-size: 1.1rem; margin-top: 2rem }
h3 { font: 600 13px/1.5 ui-monospace, monospace; margin: 1rem 0 .2rem; overflow-wrap: anywhere }
dt { color: var(--soft); font-size: 13px }
dd { margin: 0 0 .3rem; overflow-wrap: anywhere }
details, .rule { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  margin: .4rem 0; padding: .5rem .8rem }
summary { cursor: pointer }
.id { font-family: ui-monospace, monospace; font-weight: 600 }
.kept { color: var(--kept) }
.broken { color: var(--broken) }
.not-offered { color: var(--skipped) }
.skipped, .not-run { color: var(--soft) }
.soft { color: var(--soft) }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; margin: 0 }
"""

_LEGEND = (
    "An RFC MUST or SHOULD is kept or broken. A decision of this contract goes beyond the standards or "
    "fills their gaps: a server that does otherwise does not offer it, and breaks nothing."
)


def render_html(url: str, summary: str, rules: list[dict[str, Any]]) -> str:
    """The page; `rules` as Part.as_json gives them."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Scorecard of {escape(url)}</title><style>{_STYLE}</style>",
        f"<h1>Scorecard of {escape(url)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in summary.split("; ")),
        f"<p class=soft>{_LEGEND}</p>",
    ]
    chapter = ""
    for rule in rules:
        name = rule["rule"].partition(".")[0]
        if name != chapter:
            chapter = name
            parts.append(f"<h2>{escape(chapter)}</h2>")
        parts.append(_rule(rule))
    return "\n".join(parts) + "\n"


def _rule(rule: dict[str, Any]) -> str:
    verdict = rule["verdict"]
    head = (
        f"<span class='{verdict.replace(' ', '-')}'>{escape(verdict)}</span> "
        f"<span class=id>{escape(rule['rule'])}</span> <span class=soft>{escape(rule['basis'])}, "
        f"{escape(rule['reference'])}</span><br>{escape(rule['sentence'])}"
    )
    if not rule["failures"]:
        why = "; ".join(rule["skipped"])
        told = f"<br><span class=soft>{escape(why)}</span>" if verdict == "skipped" and why else ""
        return f"<div class=rule>{head}{told}</div>"
    return f"<details><summary>{head}</summary>{''.join(map(_failure, rule['failures']))}</details>"


def _failure(failure: dict[str, Any]) -> str:
    again = "\n".join(failure["again"])
    return (
        f"<h3>{escape(failure['test'])}</h3><dl><dt>expected<dd>{escape(failure['expected'])}"
        f"<dt>got<dd>{escape(failure['got'])}<dt>on the wire<dd><pre>{escape(failure['wire'])}</pre>"
        f"<dt>again<dd><pre>{escape(again)}</pre></dl>"
    )
