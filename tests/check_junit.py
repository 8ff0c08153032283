"""A scorecard as JUnit XML: a suite for each chapter, a case for each part of a rule.

What is not offered is no failure there: it stands as skipped, so that a build fails for what an RFC demands.
Knows nothing of how the score came about.
"""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree

from .check_text import evidence
from .score import BROKEN, KEPT, Part


def render_junit(url: str, parts: list[Part]) -> str:
    root = ElementTree.Element("testsuites", name=f"contract of {url}")
    for chapter, group in groupby(parts, lambda part: part.rule.chapter):
        suite = ElementTree.SubElement(root, "testsuite", name=chapter)
        members = list(group)
        for part in members:
            _case(suite, part)
        suite.set("tests", str(len(members)))
        suite.set("failures", str(sum(part.verdict == BROKEN for part in members)))
        suite.set("skipped", str(sum(part.verdict not in (BROKEN, KEPT) for part in members)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, part: Part) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=part.rule.id, name=part.basis.value)
    told = f"{part.rule.sentence} ({part.rule.reference})"
    if part.verdict == BROKEN:
        failure = ElementTree.SubElement(case, "failure", type=part.basis.value, message=told)
        failure.text = "\n\n".join(evidence(one) for one in part.failures)
    elif part.verdict != KEPT:
        why = "; ".join(sorted(part.skipped)) or told
        ElementTree.SubElement(case, "skipped", message=f"{part.verdict}: {why}")
