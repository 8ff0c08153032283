"""Chapter 8: the life of the process. Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, SHOULD, Chapter, Rule

_NONE = "no standard; operation"

CHAPTER = Chapter(
    "operations",
    "Operations",
    "Starting, stopping and looking inside lose no request.",
    (
        Rule(
            "operations.admin",
            MUST,
            "`healthy` and `ready` under the admin prefix answer for the proxy itself and are never "
            "forwarded.",
            _NONE,
            capability="admin",
        ),
        Rule(
            "operations.metrics",
            MUST,
            "`metrics` under the admin prefix answers in Prometheus' text format to peers in `admin.allow`, "
            "to others with 403.",
            _NONE,
            capability="admin",
        ),
        Rule(
            "operations.admin-guarded",
            MUST,
            "Peers outside `admin.allow`, and peers that name in X-Forwarded-For, X-Real-IP or Forwarded "
            "anybody outside it, get 403 for every endpoint but `healthy` and `ready`.",
            _NONE,
            decision="A web server on the proxy's machine is a loopback peer and speaks for the internet; "
            "forwarding fields are claims, but whoever adds to them can only lose by it.",
            capability="admin",
        ),
        Rule(
            "operations.admin-listen",
            MUST,
            "With `admin.listen` the endpoints are answered at that address to everybody and nothing is "
            "forwarded from there; the main listener keeps `healthy` and `ready` and answers the others with "
            "404.",
            _NONE,
            decision="A load balancer asks for health where it sends traffic, so both listeners answer that. "
            "The separate one stays open while the process drains, and is neither counted nor logged as "
            "traffic.",
            capability="admin",
        ),
        Rule(
            "operations.admin-config",
            MUST,
            "`config` under the admin prefix shows the effective settings as TOML, the origin of each value, "
            "and no secret.",
            _NONE,
            capability="admin",
        ),
        Rule(
            "operations.worker-metrics",
            MUST,
            "With several workers `metrics` tells of all of them, whichever answers, and a worker that is "
            "replaced takes nothing away.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.trace-context",
            MUST,
            "traceparent and tracestate pass as any other field does, unless `tracing` is on: then "
            "traceparent names the proxy's own span of the same trace.",
            "W3C Trace Context 3.4",
            decision="tests/real/test_tracing.py shows the second half with a receiver of spans.",
        ),
        Rule(
            "operations.server-timing",
            MAY,
            "With `server_timing` an answer says in Server-Timing where the time before its head went, "
            "beside what the downstream says; without it the field is the downstream's alone.",
            "W3C Server Timing 3",
            capability="settings",
        ),
        Rule(
            "operations.status",
            MUST,
            "`status` under the admin prefix is JSON, for browsers one HTML page that needs nothing from "
            "elsewhere and runs nothing but its own script, and for its EventSource a stream of events that "
            "ends when the process drains.",
            "Content Security Policy 3; HTML 9.2",
            capability="admin",
        ),
        Rule(
            "operations.drain",
            MUST,
            "On SIGTERM no new connection is accepted, requests in progress end whole, and the process "
            "exits with 0.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.drain-tells-clients",
            MUST,
            "Answers given while draining say `Connection: close`. A kept connection that waits for a "
            "request is closed behind that answer, or when none came within `timeouts.shutdown_idle`.",
            "RFC 9112 9.6",
            capability="settings",
            decision="Closing an idle connection at once loses the request that is already on its way.",
            basis=OWN,
        ),
        Rule(
            "operations.drain-ready",
            MUST,
            "Readiness fails at once when draining begins, and with `timeouts.shutdown_delay` before the "
            "listener closes.",
            _NONE,
            capability="admin",
        ),
        Rule(
            "operations.drain-deadline",
            MUST,
            "What is still running after `timeouts.shutdown` is aborted, and the process exits with 0.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.second-signal",
            MUST,
            "A second SIGTERM ends the process at once.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.start-without-downstream",
            MUST,
            "The proxy starts and stays alive while its downstream is down, and serves as soon as it is "
            "there.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.bad-settings",
            MUST,
            "A configuration that cannot work ends the start with exit code 2 and one line that says what "
            "is wrong.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.addresses",
            MUST,
            "Requests are spread over the addresses of `urls`, each with that address' own Host unless "
            "`host_header` says otherwise.",
            _NONE,
            capability="settings",
            decision="Two are drawn and the one with fewer requests in flight is asked; "
            '`balance.policy = "round_robin"` asks each in turn.',
        ),
        Rule(
            "operations.affinity",
            MUST,
            "With `balance.affinity_cookie` a client, with `balance.affinity_header` a value, stays at one "
            "address for as long as that is in service.",
            _NONE,
            capability="settings",
            decision="Rendezvous hashing of the key, so that workers, restarts and other machines agree. The "
            "cookie is the proxy's own and holds a random key; when its address is out, the answer sets "
            "another.",
        ),
        Rule(
            "operations.health-checks",
            MUST,
            "With `health.path` set, an address whose checks fail gets no other request, and gets them again "
            "when it passes.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.reload",
            SHOULD,
            "On SIGHUP requests that come from then on, also on open connections, follow the new "
            "configuration, new connections its certificates; requests and WebSockets in progress end by "
            "the old one.",
            _NONE,
            capability="settings",
            decision="What listens (address, workers, backend) takes a restart; a line says so.",
        ),
        Rule(
            "operations.reload-refused",
            SHOULD,
            "A configuration that cannot work leaves the old one in use, names file, line and key, and is "
            "counted.",
            _NONE,
            capability="settings",
        ),
        Rule(
            "operations.restart",
            SHOULD,
            "On SIGUSR2 a new process gets the listening sockets; once it serves, the old one ends as on "
            "SIGTERM, but stays ready. A new process that fails changes nothing.",
            _NONE,
            capability="settings",
            decision="The new process is the same command run again, so it may be new code. What that costs "
            "under load is measured in docs/operations.md.",
        ),
        Rule(
            "operations.tls",
            MUST,
            "With a certificate the listener speaks TLS 1.2 and 1.3, or 1.3 alone, and offers http/1.1.",
            "RFC 9325 3.1.1; RFC 7301",
            capability="settings",
        ),
        Rule(
            "operations.tls-clients",
            MUST,
            "With `ssl_client_ca` a client needs a certificate of that authority; with `ssl_client_auth = "
            '"optional"` it may have none, but none of another authority.',
            "RFC 8446 4.3.2",
            capability="settings",
        ),
        Rule(
            "operations.worker-replaced",
            SHOULD,
            "A worker that is killed is replaced while the others serve.",
            _NONE,
            capability="settings",
        ),
    ),
)
