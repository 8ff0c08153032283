"""Chapter 9: what must not cross from one client to another, nor from inside to outside. Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, Chapter, Rule

CHAPTER = Chapter(
    "isolation",
    "Isolation",
    "Clients share a pool and nothing else, and answers made here tell nothing about the inside.",
    (
        Rule(
            "isolation.no-shared-cookies",
            MUST,
            "A cookie that the downstream sets for one client is never sent for another.",
            "RFC 6265 5.4, 8.2",
        ),
        Rule(
            "isolation.no-crossed-answers",
            MUST,
            "No byte of an answer reaches another client than the one who asked, after cancelled requests "
            "either.",
            "RFC 9112 9.2, 11.2",
        ),
        Rule(
            "isolation.redirects-relayed",
            MUST,
            "Redirects are relayed and not followed, and Location is not rewritten.",
            "RFC 9110 15.4",
            decision="Rewriting of Location and of cookie domains is left to `response_headers`.",
            basis=OWN,
        ),
        Rule(
            "isolation.no-secrets-in-logs",
            MUST,
            "Credentials, cookies and query strings are in no log line, metric or problem document.",
            "RFC 9110 17.16, 17.9",
            basis=OWN,
            capability="settings",
        ),
        Rule(
            "isolation.no-forged-log-lines",
            MUST,
            "CR, LF and escape codes from a request cannot forge a log line.",
            "CWE-117",
            capability="settings",
        ),
        Rule(
            "isolation.problems-tell-nothing",
            MUST,
            "Answers made by the proxy name no internal address, exception or version.",
            "RFC 9457 5, RFC 9110 17.1",
            basis=OWN,
        ),
        Rule(
            "isolation.problem-documents",
            MUST,
            "Answers made by the proxy for a failure are problem documents with type, title, status and "
            "request id.",
            "RFC 9457 3",
            basis=OWN,
        ),
        Rule(
            "isolation.environment-ignored",
            MUST,
            "HTTP_PROXY and .netrc of the proxy's own environment are ignored unless `trust_env` is set, and "
            "honoured then.",
            "no standard; configuration",
            capability="settings",
        ),
        Rule(
            "isolation.private-addresses",
            MAY,
            "With `allow_private = false` a downstream whose name resolves to a private address is not "
            "connected to: 502.",
            "CWE-918",
            capability="settings",
        ),
    ),
)
