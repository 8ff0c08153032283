"""The scorecard of `downstream-proxy check`: what counts as broken, and what a failure shows."""

from __future__ import annotations

from io import StringIO
from xml.etree import ElementTree

import pytest
from downstream_proxy.contract import RULES, Basis, Rule
from downstream_proxy.contract.model import MAY, MUST, SHOULD
from rich.console import Console

from tests.check_html import render_html
from tests.check_junit import render_junit
from tests.check_text import show
from tests.score import BROKEN, KEPT, NOT_OFFERED, SKIPPED, Failure, Part, Scores, counts, summary

RULE = RULES["headers.host"]
FAILURE = Failure(
    "test_example_holds[headers.host: two <equal>]",
    "refused with 400",
    "200 and not (400,)",
    "sent:     b'GET / HTTP/1.1'\nreceived: b'HTTP/1.1 200 OK'",
    ["printf 'GET' | nc 127.0.0.1 80", "downstream-proxy check http://x --origin-listen y -k headers.host:"],
)
SHOWN = (
    RULE.id,
    RULE.reference,
    "refused with 400",
    "200 and not (400,)",
    "b'GET / HTTP/1.1'",
    "printf 'GET'",
)


@pytest.mark.parametrize(
    ("level", "reference", "stated", "ground"),
    [
        (MUST, "RFC 9112 3.2", None, Basis.RFC_MUST),
        (SHOULD, "RFC 9112 3.2", None, Basis.RFC_SHOULD),
        (MAY, "RFC 9112 3.2", None, Basis.OWN),
        (MUST, "no standard; robustness", None, Basis.OWN),
        (MUST, "CWE-117", None, Basis.OWN),
        (MUST, "RFC 9112 6.1", Basis.OWN, Basis.OWN),
    ],
)
def test_a_rule_stands_on_what_it_cites_unless_it_says_otherwise(
    level: object, reference: str, stated: Basis | None, ground: Basis
) -> None:
    assert Rule("a.b", level, "A sentence.", reference, basis=stated).ground is ground  # type: ignore[arg-type]


def test_no_rule_claims_an_rfc_that_it_does_not_cite() -> None:
    for rule in RULES.values():
        grounds = {rule.ground, *(example.basis for example in rule.examples if example.basis)}
        assert grounds == {Basis.OWN} or rule.reference.startswith("RFC "), rule.id


@pytest.mark.parametrize(
    ("basis", "passed", "failures", "verdict"),
    [
        (Basis.RFC_MUST, 3, [], KEPT),
        (Basis.RFC_MUST, 3, [FAILURE], BROKEN),
        (Basis.RFC_SHOULD, 0, [FAILURE], BROKEN),
        (Basis.OWN, 3, [FAILURE], NOT_OFFERED),
    ],
)
def test_a_decision_left_undone_is_not_offered_and_a_demand_is_broken(
    basis: Basis, passed: int, failures: list[Failure], verdict: str
) -> None:
    assert Part(RULE, basis, passed, failures=failures).verdict == verdict


def test_the_parts_of_a_rule_are_counted_apart() -> None:
    scores = Scores()
    scores.part(RULE, Basis.RFC_MUST).passed += 1
    scores.part(RULE, Basis.OWN).failures.append(FAILURE)
    scores.part(RULES["limits.inflight"], Basis.OWN).skipped.add("needs settings")
    parts = [part for part in scores.all() if part.verdict != "not run"]
    assert [(part.rule.id, part.verdict) for part in parts if part.rule.tested] == [
        (RULE.id, KEPT),
        (RULE.id, NOT_OFFERED),
        ("limits.inflight", SKIPPED),
    ]
    assert counts(parts)["RFC MUST"] == {KEPT: 1}
    assert counts(parts)["own decision"][NOT_OFFERED] == 1
    assert summary(parts).startswith("RFC MUST: 1 kept, 0 broken; RFC SHOULD: 0 kept, 0 broken; decisions")


def test_every_form_of_a_failure_shows_rule_bytes_both_outcomes_and_how_to_do_it_again() -> None:
    parts = [Part(RULE, Basis.RFC_MUST, failures=[FAILURE])]
    told = StringIO()
    show(parts, Console(file=told, width=200))
    junit = ElementTree.fromstring(render_junit("http://x", parts))
    failure = junit.find(".//testcase[@classname='headers.host']/failure")
    assert failure is not None
    xml = RULE.id + str(failure.get("message")) + str(failure.text)
    page = render_html("http://x", summary(parts), [part.as_json() for part in parts])
    assert "two &lt;equal&gt;" in page
    for text in (told.getvalue(), xml, page.replace("&#x27;", "'")):
        for piece in SHOWN:
            assert piece in text
        assert "-k headers.host:" in text


def test_what_is_not_offered_fails_no_build() -> None:
    root = ElementTree.fromstring(render_junit("http://x", [Part(RULE, Basis.OWN, failures=[FAILURE])]))
    assert root.find(".//failure") is None
    assert root.find(".//skipped") is not None
