"""Every example that the contract gives, sent as it stands to a server with default settings."""

from __future__ import annotations

import pytest
from downstream_proxy.contract import RULES, Basis, Example

from ..parse import TruncatedError
from .lab import Lab

EXAMPLES = [
    pytest.param(
        example,
        id=f"{rule.id}: {example.name}",
        marks=[pytest.mark.rule(rule.id), pytest.mark.basis(example.basis or rule.ground)],
    )
    for rule in RULES.values()
    for example in rule.examples
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_holds(proxy: Lab, example: Example) -> None:
    if example.or_cleaned and proxy.foreign:
        refused_or_cleaned(proxy, example)
    elif example.refused:
        proxy.refused(example.sent, *example.refused)
    elif example.broken:
        # That it is the client's fault, which a 400 says, is advice where grammar alone is broken.
        proxy.broken(example.sent, *example.broken, blames_others=example.basis is Basis.RFC_MUST)
    else:
        request = proxy.forwarded(example.sent)
        head = request.head.lower()
        for line in example.seen:
            assert proxy.holds(request.lines, line), f"{line!r} is not among {request.lines!r}"
        for text in example.unseen:
            assert text.lower() not in head, f"{text!r} came through"
        if example.body is not None:
            assert request.body == example.body


def refused_or_cleaned(proxy: Lab, example: Example) -> None:
    """For a server that is not ours: the origin, a strict reader, must find nothing bad in what it gets."""
    client = proxy.send(example.sent)
    try:
        status = client.read_response().status
    except TruncatedError:
        status = 400
    client.close()
    proxy.barrier()
    if status >= 300:
        assert status not in (500, 502), f"neither refused nor cleaned: {status}"
        assert not proxy.others(), f"refused with {status}, and the origin saw it"
    else:
        assert not any(b"\r" in line or b"\0" in line for r in proxy.others() for line in r.lines)
