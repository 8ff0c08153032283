"""Every example that the contract gives, sent as it stands to a server with default settings."""

from __future__ import annotations

import pytest
from downstream_proxy.contract import RULES, Example

from .lab import Lab

EXAMPLES = [
    pytest.param(example, id=f"{rule.id}: {example.name}", marks=pytest.mark.rule(rule.id))
    for rule in RULES.values()
    for example in rule.examples
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_holds(proxy: Lab, example: Example) -> None:
    if example.refused:
        proxy.refused(example.sent, *example.refused)
    elif example.broken:
        proxy.broken(example.sent, *example.broken)
    else:
        request = proxy.forwarded(example.sent)
        head = request.head.lower()
        for line in example.seen:
            assert line in request.lines
        for text in example.unseen:
            assert text.lower() not in head
        if example.body is not None:
            assert request.body == example.body
