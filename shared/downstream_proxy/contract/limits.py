"""Chapter 6: load. Rules only."""

from __future__ import annotations

from .model import MUST, Chapter, Rule

_NONE = "no standard; robustness"

CHAPTER = Chapter(
    "limits",
    "Load",
    "Everything that can grow has a bound, and whatever is over the bound is told so at once.",
    (
        Rule(
            "limits.pool-queue",
            MUST,
            "With `pool.max_connections` in use a request waits in a queue, in order, until a connection is "
            "free.",
            _NONE,
        ),
        Rule(
            "limits.pool-queue-full",
            MUST,
            "With `pool.max_queue` waiting, the next request gets 503 with Retry-After at once.",
            "RFC 9110 15.6.4, 10.2.3",
        ),
        Rule(
            "limits.pool-deadline",
            MUST,
            "A request that waits longer than `timeouts.pool` gets 503 with Retry-After.",
            "RFC 9110 15.6.4, 10.2.3",
        ),
        Rule(
            "limits.inflight",
            MUST,
            "With `limits.max_inflight` requests in progress the next one gets 503 with Retry-After at once.",
            "RFC 9110 15.6.4, 10.2.3",
        ),
        Rule(
            "limits.neighbours",
            MUST,
            "A downstream that is stuck and full does not delay requests to another.",
            _NONE,
        ),
        Rule("limits.slot-released", MUST, "Every way a request can end gives its place back.", _NONE),
        Rule(
            "limits.descriptors",
            MUST,
            "Running out of file descriptors is survived: accepting resumes, and health answers.",
            _NONE,
        ),
        Rule(
            "limits.idle-connections",
            MUST,
            "10,000 idle client connections take a bounded amount of memory each.",
            _NONE,
            tested=False,
            decision="A measurement with a figure: tests/reliability/test_memory.py makes it, "
            "docs/reliability.md has it.",
        ),
        Rule(
            "limits.overload",
            MUST,
            "At ten times the capacity accepted requests keep a bounded p99, and throughput is back within "
            "1 s of its end.",
            _NONE,
            tested=False,
            decision="A measurement with a figure: tests/reliability/test_overload.py makes it, "
            "docs/reliability.md has it.",
        ),
    ),
)
