"""The contract as Markdown. It must not know single rules: every word about one comes from its data."""

from __future__ import annotations

from . import CHAPTERS
from .differences import DIFFERENCES
from .model import Basis, Example, Rule

_INTRODUCTION = """\
<!-- Printed by `python -m downstream_proxy.contract`; edit the rules, not this file. -->

# The contract

What a request and its answer may expect of this proxy, in the order of a request's life. Both backends
hold every rule; the shared suite (`tests/contract`) proves it for each. MUST, SHOULD and MAY are used as in
RFC 2119. Where the standards leave a choice, the rule says what was decided and why.

In the examples "refused" means: answered with that status, the connection closed, and nothing sent
downstream. "Broken off" means the same for a fault in the body, where the downstream may have seen a
beginning but never a whole request.

A rule says whether the text it refers to demands or advises it, or whether it is a decision of this
contract, stricter than the standards or where they are silent; an example that stands on something else says
so. Another server that does not keep a decision breaks no standard: docs/scorecards counts the two apart.
"""

_GROUNDS = {
    Basis.RFC_MUST: "It demands this.",
    Basis.RFC_SHOULD: "It advises this.",
    Basis.OWN: "A decision of this contract.",
}

_DIFFERENCES = """\
## Differences between the backends

For the same bytes both backends send the same bytes downstream and give the same answer, but for this list.
`tests/differential` compares everything else.
"""


def markdown() -> str:
    """The whole contract."""
    parts = [_INTRODUCTION]
    parts.append(
        "\n".join(
            f"- [{chapter.title}](#{chapter.title.lower().replace(' ', '-')}): {len(chapter.rules)} rules"
            for chapter in CHAPTERS
        )
        + "\n- [Differences between the backends](#differences-between-the-backends)\n"
    )
    for chapter in CHAPTERS:
        parts.append(f"## {chapter.title}\n\n{chapter.about}\n")
        parts.extend(_rule(rule) for rule in chapter.rules)
    parts.append(_DIFFERENCES)
    parts.extend(f"- **{one.name}** {one.allowed} {one.reason}" for one in DIFFERENCES.values())
    parts.append("")
    return "\n".join(parts)


def _rule(rule: Rule) -> str:
    lines = [
        f"### {rule.id}",
        "",
        f"**{rule.level}** {rule.sentence}",
        "",
        f"Reference: {rule.reference}. {_GROUNDS[rule.ground]}",
    ]
    if rule.capability:
        lines[-1] += f" Applies to a server that offers `{rule.capability}`."
    if rule.decision:
        lines += ["", f"Decision: {rule.decision}"]
    if not rule.tested:
        lines += ["", "Not a test of the shared suite."]
    if rule.examples:
        lines.append("")
        lines += [
            f"- {example.name}: `{_shown(example.sent)}` -> {outcome(example)}{_apart(rule, example)}"
            for example in rule.examples
        ]
    return "\n".join(lines) + "\n"


def _apart(rule: Rule, example: Example) -> str:
    """What an example stands on, where that is not what its rule does."""
    return "" if example.basis in (None, rule.ground) else f" ({example.basis})"


def _shown(data: bytes, most: int = 160) -> str:
    """Bytes as one line of printable ASCII."""
    text = repr(data)[2:-1].replace("`", "\\x60")
    return text if len(text) <= most else f"{text[: most - 40]} ... ({len(data)} bytes)"


def outcome(example: Example) -> str:
    """What has to follow from an example, in words."""
    said = []
    if example.refused:
        said.append("refused with " + " or ".join(str(status) for status in example.refused))
    if example.broken:
        said.append("broken off with " + " or ".join(str(status) for status in example.broken))
    if example.seen:
        said.append("the downstream sees " + ", ".join(f"`{_shown(line)}`" for line in example.seen))
    if example.unseen:
        said.append(
            "the downstream does not see " + ", ".join(f"`{_shown(text)}`" for text in example.unseen)
        )
    if example.body is not None:
        said.append(f"the downstream's body is `{_shown(example.body)}`")
    return "; ".join(said) or "the downstream sees it"
