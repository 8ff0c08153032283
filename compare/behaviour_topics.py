"""What behaviour is asked about: topics, the contract's rules that stand for each, and the probes beside
them.

Only rules that a client library can keep or break are here; what the server's side decides is the same for
all.
"""

from __future__ import annotations

from dataclasses import dataclass

from downstream_proxy.contract import RULES


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the comparison. rules: ids of the contract. probes: ids of behaviour_probes."""

    id: str
    title: str
    rules: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()


TOPICS = (
    Topic(
        "repeated-fields", "repeated fields stay apart", ("headers.set-cookie",), ("probe.repeated-fields",)
    ),
    Topic("byte-exact-target", "the target byte for byte", ("target.byte-exact",)),
    Topic(
        "raw-encodings", "encoded content untouched", ("bodies.coding-untouched", "bodies.ranges-untouched")
    ),
    Topic(
        "streaming-download",
        "answers passed on as they come, with back-pressure",
        ("bodies.flushed-at-once", "bodies.backpressure-down"),
    ),
    Topic(
        "streaming-upload",
        "uploads passed on as they come, with back-pressure",
        ("bodies.backpressure-up",),
        ("probe.upload",),
    ),
    Topic(
        "cancellation",
        "a client's leaving reaches the wire",
        ("failures.client-left", "limits.slot-released"),
    ),
    Topic(
        "stale-connections",
        "stale connections cost nothing visible",
        ("failures.stale-get-retried", "failures.post-never-twice", "failures.restart"),
    ),
    Topic(
        "timeouts",
        "time-outs told apart",
        ("failures.connect-timeout", "failures.head-timeout", "failures.read-idle"),
    ),
    Topic("cookie-isolation", "one user's cookies never sent for another", probes=("probe.cookies",)),
    Topic(
        "truncation",
        "a cut answer is seen to be cut",
        ("bodies.cut-length", "bodies.cut-chunked", "failures.reset-in-body"),
    ),
    Topic("leak", "1,000 cancelled requests leave nothing", probes=("probe.leak",)),
    Topic("memory", "1 GB to a slow reader in bounded memory", probes=("probe.memory",)),
    Topic("http2", "HTTP/2 to the downstream", probes=("probe.http2",)),
    Topic("websocket", "WebSocket through the same door", ("websocket.handshake-passed-on",)),
    Topic("trailers", "a trailer section does no harm", ("framing.trailers-dropped",)),
    Topic(
        "fields-exact",
        "order, case and values of fields as they were",
        (
            "headers.order-and-repetition",
            "headers.value-exact",
            "headers.high-bytes",
            "headers.response-identity",
        ),
    ),
    Topic("nothing-invented", "adds no fields of its own", ("headers.nothing-invented",)),
    Topic("methods", "any method", ("target.any-method",)),
    Topic("content", "content byte for byte", ("bodies.relayed-exactly", "bodies.close-delimited")),
    Topic(
        "no-content",
        "answers without content, and content where none belongs",
        (
            "bodies.none-where-none-belongs",
            "bodies.head-keeps-length",
            "bodies.unexpected-discarded",
            "bodies.longer-than-announced",
        ),
    ),
    Topic("upload-head", "the head of an upload goes before its content", ("bodies.upload-streamed",)),
    Topic("upload-cut", "a cut upload never looks complete", ("bodies.client-cut",)),
    Topic("early-answer", "an answer before the upload's end", ("bodies.early-answer",)),
    Topic(
        "interim", "interim responses and 100-continue", ("bodies.interim-survived", "bodies.expect-continue")
    ),
    Topic("refusals", "no connection, no name", ("failures.refused", "failures.dns")),
    Topic(
        "malformed",
        "malformed answers refused",
        (
            "failures.malformed-head",
            "failures.oversized-head",
            "failures.reset-before-head",
            "headers.no-injection",
        ),
    ),
    Topic("redirects", "redirects not followed", ("isolation.redirects-relayed",)),
    Topic("environment", "HTTP_PROXY and .netrc ignored", ("isolation.environment-ignored",)),
)

#: What recipes are asked: how they fail the finer rules is no news and takes minutes each.
CORE = tuple(rule for topic in TOPICS[:10] for rule in topic.rules)

ASKED = tuple(rule for topic in TOPICS for rule in topic.rules)

assert set(ASKED) <= RULES.keys()
