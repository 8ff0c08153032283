"""Chapter 5: what goes wrong, on either side. Rules only."""

from __future__ import annotations

from .model import MUST, OWN, RFC_SHOULD, SHOULD, Chapter, Rule, on, refused

_502 = "RFC 9110 15.6.3"
_504 = "RFC 9110 15.6.5"

CHAPTER = Chapter(
    "failures",
    "Failures",
    "Before the head every failure is an answer that says what happened; after it, an abort. Nothing is "
    "sent twice that could have been processed, and nothing goes on when nobody waits for it.",
    (
        Rule(
            "failures.refused",
            MUST,
            "A downstream that refuses the connection gives 502.",
            _502,
            basis=OWN,
        ),
        Rule(
            "failures.unreachable",
            MUST,
            "A downstream that cannot be reached gives 502.",
            _502,
            tested=False,
            decision="An unreachable address cannot be had on every machine: tests/unit/test_connecting.py "
            "injects the error.",
            basis=OWN,
        ),
        Rule(
            "failures.dns",
            MUST,
            "A downstream whose name does not resolve gives 502.",
            _502,
            basis=OWN,
        ),
        Rule(
            "failures.connect-timeout",
            MUST,
            "Connecting for longer than `timeouts.connect` gives 504.",
            _504,
            basis=OWN,
        ),
        Rule(
            "failures.reset-before-head",
            MUST,
            "A downstream that closes or resets before its head is complete gives 502.",
            _502,
            basis=OWN,
        ),
        Rule(
            "failures.reset-in-body",
            MUST,
            "A downstream that resets within its body aborts the client's connection, in every framing and "
            "at every byte.",
            "RFC 9112 8",
        ),
        Rule(
            "failures.stale-get-retried",
            MUST,
            "A GET whose reused connection turns out closed before any byte of an answer is sent once more "
            "on a new one.",
            "RFC 9112 9.3.1",
            basis=OWN,
        ),
        Rule(
            "failures.post-never-twice",
            MUST,
            "A request that is not idempotent is never sent again once a byte of it may have been processed.",
            "RFC 9110 9.2.2",
        ),
        Rule(
            "failures.head-timeout",
            MUST,
            "No complete head within `timeouts.head` gives 504, also when it drips.",
            _504,
            basis=OWN,
        ),
        Rule(
            "failures.read-idle",
            MUST,
            "A body that stalls for `timeouts.read_idle` aborts the client's connection.",
            "RFC 9112 8",
            basis=OWN,
        ),
        Rule(
            "failures.total",
            MUST,
            "`timeouts.total`, when set, ends an exchange: 504 before the head, an abort after it.",
            _504,
            basis=OWN,
        ),
        Rule(
            "failures.malformed-head",
            MUST,
            "A head that is garbage, HTTP/0.9, malformed or has conflicting lengths gives 502 and costs its "
            "connection.",
            "RFC 9112 6.3, RFC 9110 15.6.3",
        ),
        Rule(
            "failures.oversized-head",
            MUST,
            "A head of more than `limits.max_response_head` bytes, or an endless one, gives 502 and costs "
            "its connection.",
            _502,
            basis=OWN,
        ),
        Rule(
            "failures.certificate",
            MUST,
            "A certificate that is expired, unknown or of another name gives 502, and no byte of the "
            "request is sent.",
            "RFC 9110 4.3.4",
        ),
        Rule(
            "failures.waiting-bytes",
            MUST,
            "A connection on which bytes wait before the request is sent is not used for it.",
            "RFC 9112 9.2",
        ),
        Rule(
            "failures.restart",
            MUST,
            "After a downstream's restart GETs succeed at once: dead idle connections cost nothing visible.",
            "RFC 9112 9.3.1",
            basis=OWN,
        ),
        Rule(
            "failures.dns-changes",
            SHOULD,
            "A changed address of the downstream's name is used within 10 s by new connections; connections "
            "that are never idle leave the old one within 30 s.",
            "RFC 1035 3.2.1",
            tested=False,
            decision="It needs a resolver of the test's own: tests/unit/test_names.py gives one. Answers are "
            "kept for 10 s, whatever their time to live. While there are connections the name is looked up "
            "every 10 s, and those to an address that two answers in a row lack are not used again.",
            basis=OWN,
        ),
        Rule(
            "failures.another-address",
            MUST,
            "A retry goes to another address of the downstream when it has one; a request for which no "
            "connection came about is retried there with any method.",
            "RFC 9110 9.2.2",
            capability="settings",
            basis=OWN,
        ),
        Rule(
            "failures.ejection",
            MUST,
            "An address where `eject.failures` exchanges in a row failed is not asked for a time that grows "
            "with each ejection in a row; what a client does counts for nothing.",
            "no standard; robustness",
            capability="settings",
            decision="At most `eject.max_share` are out this way at once. Below `balance.panic` in service "
            "all are asked: the few that are left would not stand the load of all. Statuses count when "
            "`eject.status` names them.",
        ),
        Rule(
            "failures.circuit-open",
            MUST,
            "While the circuit breaker is open, requests are answered with 503 at once and nobody is asked; "
            "after its time `breaker.probes` are let through, and their success closes it.",
            "RFC 9110 15.6.4, RFC 9209 2.3.4",
            capability="settings",
            decision="Off unless `breaker.failures` is set, as nobody who knows nginx or Envoy expects one.",
            basis=OWN,
        ),
        Rule(
            "failures.retry-bounds",
            MUST,
            "A request is tried `retry.attempts` times at most, retries are a share `retry.budget` of the "
            "requests at most, with pauses that grow and are spread, and none of it goes on behind "
            "`timeouts.total`.",
            "no standard; robustness",
        ),
        Rule(
            "failures.one-table",
            MUST,
            "Each failure maps through one table to status, `Proxy-Status`, problem document, log field and "
            "metric label.",
            "RFC 9209 2.3, RFC 9457",
            basis=OWN,
        ),
        Rule(
            "failures.client-left",
            MUST,
            "A client that leaves while it is queued, waiting, uploading, downloading or listening ends its "
            "request: the downstream sees it within 250 ms.",
            "no standard; robustness",
            decision="Logged as 499, as nginx does; the downstream's health is not blamed.",
        ),
        Rule(
            "failures.client-left-unread",
            SHOULD,
            "That holds also while the proxy does not read the client, because the downstream does not read "
            "the proxy or because further requests wait.",
            "no standard; robustness",
            decision="The end of a stream stands behind its unread bytes; the kernel is asked for it.",
        ),
        Rule(
            "failures.half-close",
            MUST,
            "A client that closes its sending side while its request is in progress has left.",
            "RFC 9112 9.6",
            decision="TCP cannot tell a half-close from a close until something is written, so whoever waits "
            "for that runs requests on for clients that are gone. nginx and uvicorn decide the same; HAProxy "
            "answers, unless `abortonclose` is set. Of the usual tools only those that end their side at the "
            "end of their input notice: `nc -N`, socat, ncat; plain `nc` and curl do not end it.",
            basis=OWN,
        ),
        Rule(
            "failures.slow-head",
            MUST,
            "A head that is not complete within `timeouts.request_head` is answered with 408, also when it "
            "drips.",
            "RFC 9110 15.5.9",
            basis=OWN,
        ),
        Rule(
            "failures.slow-body",
            MUST,
            "A body of which nothing, or less than `limits.min_request_body_rate` asks for, comes within "
            "`timeouts.request_body_idle` is answered with 408, and the downstream aborted.",
            "RFC 9110 15.5.9",
            basis=OWN,
        ),
        Rule(
            "failures.slow-reader",
            MUST,
            "A client that takes nothing of what waits for it for `timeouts.response_idle` loses its "
            "connection, and the downstream is free again; one that takes a little at a time does not.",
            "no standard; robustness",
            decision="The connection is reset, so that the kernel drops what it holds for it. Logged as 499.",
        ),
        Rule(
            "failures.idle-connection",
            MUST,
            "A kept connection without a request is closed after `timeouts.keep_alive`, without an answer.",
            "RFC 9112 9.5",
            basis=OWN,
        ),
        Rule(
            "failures.other-protocol",
            MUST,
            "A TLS hello, an HTTP/2 preface or other noise is answered with 400 (or 505) and closed.",
            "RFC 9112 2.2",
            (
                refused(
                    "TLS 1.2 hello",
                    b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\x42" * 192 + b"\r\n\r\n",
                ),
                on(OWN, refused("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)),
                refused("SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            ),
            basis=RFC_SHOULD,
        ),
    ),
)
