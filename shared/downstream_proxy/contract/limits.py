"""Chapter 6: load. Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, Chapter, Rule

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
            basis=OWN,
        ),
        Rule(
            "limits.pool-deadline",
            MUST,
            "A request that waits longer than `timeouts.pool` gets 503 with Retry-After.",
            "RFC 9110 15.6.4, 10.2.3",
            basis=OWN,
        ),
        Rule(
            "limits.inflight",
            MUST,
            "With `limits.max_inflight` requests in progress the next one gets 503 with Retry-After at once.",
            "RFC 9110 15.6.4, 10.2.3",
            basis=OWN,
        ),
        Rule(
            "limits.rate",
            MUST,
            "A request over one of its route's rate limits gets 429 with Retry-After at once and never "
            "reaches the downstream.",
            "RFC 6585 4, RFC 9110 10.2.3",
            capability="settings",
            basis=OWN,
        ),
        Rule(
            "limits.rate-fields",
            MAY,
            "Answers of a route with rate limits tell them in RateLimit-Policy and RateLimit.",
            "draft-ietf-httpapi-ratelimit-headers-10 3, 4",
            capability="settings",
            decision="The draft's tenth version: quota `q` and window `w` in the policy, remaining `r` and "
            "seconds to the reset `t` in the limit. What the downstream says of its own passes beside them.",
        ),
        Rule(
            "limits.rate-keys",
            MUST,
            "Requests are counted by the client's address behind trusted proxies, IPv6 by its /64, or by the "
            "value of a header, which is kept as a hash only.",
            "no standard; robustness",
            capability="settings",
        ),
        Rule(
            "limits.rate-outage",
            MUST,
            "While the storage of the counts cannot be asked requests pass, or get 503 with Retry-After, as "
            "configured, after a bounded wait.",
            "no standard; robustness",
            capability="settings",
            tested=False,
            decision="Needs a Redis to stop: tests/real/test_rate_limits_redis.py shows it.",
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
