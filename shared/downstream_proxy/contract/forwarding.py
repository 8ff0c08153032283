"""Chapter 3, who forwarded what for whom (RFC 7239, RFC 9110 7.6.3). Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, SHOULD, Example, Rule, request

FORWARDING: tuple[Rule, ...] = (
    Rule(
        "headers.forwarded-untrusted",
        MUST,
        "X-Forwarded-*, X-Real-IP and Forwarded from a peer that is not trusted are removed, and "
        "X-Forwarded-For, -Proto and -Host are set from the connection.",
        "RFC 7239 8.1",
        (
            Example(
                "forged",
                request(
                    b"X-Forwarded-For: 6.6.6.6",
                    b"x-forwarded-for: 7.7.7.7",
                    b"X-Forwarded-Proto: gopher",
                    b"X-Forwarded-Host: evil",
                    b"X-Forwarded-Port: 666",
                    b"X-Forwarded-Prefix: /evil",
                    b"X-Forwarded-Server: evil",
                    b"X-Forwarded-Scheme: evil",
                    b"X-Forwarded-Ssl: evil",
                    b"X-Real-IP: 6.6.6.6",
                    b"Forwarded: for=6.6.6.6",
                ),
                seen=(
                    b"X-Forwarded-For: 127.0.0.1",
                    b"X-Forwarded-Proto: http",
                    b"X-Forwarded-Host: proxy",
                ),
                unseen=(b"6.6.6.6", b"7.7.7.7", b"evil", b"gopher", b"666"),
            ),
        ),
        capability="forwarded",
        basis=OWN,
    ),
    Rule(
        "headers.forwarded-trusted",
        MUST,
        "From a peer in `trusted_proxies` they are kept, and the peer's address is appended to "
        "X-Forwarded-For.",
        "RFC 7239 5.2",
        capability="forwarded",
        decision=(
            "Nothing is cut from the list: who reads it goes from the right to the first address it does "
            "not trust."
        ),
        basis=OWN,
    ),
    Rule(
        "headers.forwarded-rfc7239",
        MAY,
        "`forwarded_headers` chooses X-Forwarded-*, Forwarded, both or none; the others are removed from "
        "untrusted peers.",
        "RFC 7239 4",
        capability="forwarded",
    ),
    Rule(
        "headers.via",
        MUST,
        "Via names the received version and the proxy's pseudonym on every forwarded request, behind those "
        "already there.",
        "RFC 9110 7.6.3",
        decision="Requests only. A reverse proxy is the origin towards its clients, and answers do not tell "
        "what stands inside.",
    ),
    Rule(
        "headers.loop",
        MUST,
        "A request whose Via already holds the proxy's own pseudonym is refused with 508.",
        "RFC 9110 7.6.3, RFC 5842 7.2",
        capability="forwarded",
        basis=OWN,
    ),
    Rule(
        "headers.request-id",
        SHOULD,
        "Each request has an X-Request-ID: made here, or taken from a trusted peer; the downstream and the "
        "client see the same.",
        "no standard; the common practice of proxies",
        capability="forwarded",
        decision="One from an untrusted peer is replaced, as it would enter logs. `request_id = false` "
        "leaves the field alone.",
    ),
)
