"""In what the two backends may differ for the same bytes. The differential test exempts just this list.

It must not know how the comparison is made.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """name: stable, what the comparison asks for. allowed: what may differ, when. reason: why it has to."""

    name: str
    allowed: str
    reason: str


_MOMENT = "It hangs on the moment at which a segment arrives, on one backend as between two."

DIFFERENCES: dict[str, Difference] = {
    difference.name: difference
    for difference in (
        Difference(
            "chunk-sizes",
            "For a request that comes in several TCP segments: how the content is cut into the chunks that "
            "the downstream gets.",
            _MOMENT,
        ),
        Difference(
            "broken-off",
            "For a request that comes in several TCP segments and breaks off in a later one: whether the "
            "downstream heard of its beginning.",
            _MOMENT,
        ),
        Difference(
            "continue",
            "For a request that comes in several TCP segments: whether 100 (Continue) was sent before the "
            "content came by itself.",
            _MOMENT,
        ),
        Difference(
            "detail",
            "For a refused request that comes in several TCP segments: the `detail` of the problem document, "
            "where it has several faults and either may be met first.",
            _MOMENT,
        ),
    )
}
