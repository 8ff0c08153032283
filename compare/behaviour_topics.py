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
        "repeated-fields",
        "repeated fields stay apart, in order",
        ("headers.order-and-repetition", "headers.set-cookie"),
    ),
    Topic("values", "field values byte for byte", ("headers.value-exact", "headers.high-bytes")),
    Topic(
        "nothing-added",
        "adds no fields of its own",
        ("headers.nothing-invented", "headers.response-identity"),
    ),
    Topic("target", "target byte for byte, any method", ("target.byte-exact", "target.any-method")),
    Topic(
        "raw-encodings", "encoded content untouched", ("bodies.coding-untouched", "bodies.ranges-untouched")
    ),
    Topic("content", "content byte for byte", ("bodies.relayed-exactly", "bodies.close-delimited")),
    Topic(
        "no-content",
        "answers without content",
        ("bodies.none-where-none-belongs", "bodies.head-keeps-length", "bodies.unexpected-discarded"),
    ),
    Topic(
        "streaming-down",
        "answers streamed with back-pressure",
        ("bodies.flushed-at-once", "bodies.backpressure-down"),
    ),
    Topic(
        "streaming-up",
        "uploads streamed with back-pressure",
        ("bodies.upload-streamed", "bodies.backpressure-up"),
    ),
    Topic("early-answer", "an answer before the upload's end", ("bodies.early-answer",)),
    Topic(
        "interim", "interim responses and 100-continue", ("bodies.interim-survived", "bodies.expect-continue")
    ),
    Topic(
        "cancellation",
        "a client's leaving reaches the wire",
        ("failures.client-left", "bodies.client-cut", "limits.slot-released"),
    ),
    Topic(
        "stale",
        "stale connections",
        ("failures.stale-get-retried", "failures.post-never-twice", "failures.restart"),
    ),
    Topic(
        "timeouts",
        "time-outs told apart",
        ("failures.connect-timeout", "failures.head-timeout", "failures.read-idle"),
    ),
    Topic("refusals", "no connection", ("failures.refused", "failures.dns")),
    Topic(
        "truncation",
        "a cut answer is seen to be cut",
        ("bodies.cut-length", "bodies.cut-chunked", "failures.reset-in-body", "bodies.longer-than-announced"),
    ),
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
    Topic("cookies", "one user's cookies never sent for another", ("isolation.no-shared-cookies",)),
    Topic("redirects", "redirects not followed", ("isolation.redirects-relayed",)),
    Topic("environment", "HTTP_PROXY and .netrc ignored", ("isolation.environment-ignored",)),
    Topic("trailers", "trailers do no harm", ("framing.trailers-dropped",)),
    Topic("websocket", "WebSocket through the same door", ("websocket.handshake-passed-on",)),
    Topic("leak", "1,000 cancelled requests leave nothing", probes=("probe.leak",)),
    Topic("memory", "1 GB to a slow reader in bounded memory", probes=("probe.memory",)),
    Topic("http2", "HTTP/2 to the downstream", probes=("probe.http2",)),
)

ASKED = tuple(rule for topic in TOPICS for rule in topic.rules)

assert set(ASKED) <= RULES.keys()
