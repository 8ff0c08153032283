"""Chapter 4: bodies and how they pass (RFC 9110 6.4, 8, 15; RFC 9112 6, 7). Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, RFC_SHOULD, SHOULD, Chapter, Rule, refused, request

CHAPTER = Chapter(
    "bodies",
    "Bodies",
    "A body passes as it comes, in bounded memory, and what was cut off never looks complete.",
    (
        Rule(
            "bodies.none-where-none-belongs",
            MUST,
            "Answers to HEAD and answers 204 and 304 have no body on the client's side.",
            "RFC 9110 9.3.2, 15.3.5, 15.4.5; RFC 9112 6.3",
        ),
        Rule(
            "bodies.head-keeps-length",
            MUST,
            "An answer to HEAD, and a 304, keeps the downstream's Content-Length, ETag and other metadata.",
            "RFC 9110 9.3.2, 8.6",
            basis=RFC_SHOULD,
        ),
        Rule(
            "bodies.unexpected-discarded",
            MUST,
            "Body bytes that the downstream sends where none belong never reach a client, and that "
            "connection is not reused.",
            "RFC 9112 6.3, 9.2",
        ),
        Rule(
            "bodies.relayed-exactly",
            MUST,
            "A body reaches the other side byte for byte, whatever its framing, its size and the cuts it "
            "arrives in.",
            "RFC 9110 7.7",
        ),
        Rule(
            "bodies.expect-continue",
            MUST,
            "With `Expect: 100-continue` the client gets 100 when the downstream asks for the body, and a "
            "final answer that comes first reaches it without a 100.",
            "RFC 9110 10.1.1",
            decision=(
                "The expectation is passed on and the downstream decides. Its 100 asks for the body; a "
                "downstream that stays silent for a second gets the body anyway, as some never send 100."
            ),
            basis=OWN,
        ),
        Rule(
            "bodies.expect-without-wait",
            MUST,
            "A client that sends its body without waiting for the 100 is served all the same.",
            "RFC 9110 10.1.1",
        ),
        Rule(
            "bodies.expect-unknown",
            MUST,
            "An expectation other than 100-continue is answered with 417.",
            "RFC 9110 10.1.1",
            (
                refused("unknown", request(b"Expect: 200-ok"), 417),
                refused("one of two", request(b"Expect: 100-continue, x"), 417),
            ),
            basis=OWN,
        ),
        Rule(
            "bodies.no-interim-to-http10",
            MUST,
            "An HTTP/1.0 client never gets a 1xx response.",
            "RFC 9110 15.2",
        ),
        Rule(
            "bodies.interim-survived",
            MUST,
            "Interim responses before the final one do not disturb it, however many come up to a bound; a "
            "flood ends with 502.",
            "RFC 9110 15.2, RFC 8297",
        ),
        Rule(
            "bodies.interim-forwarded",
            MUST,
            "A 102, 103 or other interim response crosses the proxy at once, without hop-by-hop and framing "
            "fields; 100 only to a client that waits for it.",
            "RFC 9110 15.2, RFC 8297",
        ),
        Rule(
            "bodies.early-answer",
            MUST,
            "A final answer that comes while the upload still runs reaches the client whole; the upload "
            "stops, and neither connection is used for another request.",
            "RFC 9112 9.3, 9.6; RFC 9110 7.5",
            basis=OWN,
        ),
        Rule(
            "bodies.cut-length",
            MUST,
            "When the downstream's body ends short of its Content-Length, the client sees an aborted "
            "connection.",
            "RFC 9112 8",
        ),
        Rule(
            "bodies.cut-chunked",
            MUST,
            "When the downstream's chunked body ends without its last chunk, or is malformed, the client "
            "sees an abort.",
            "RFC 9112 8, 7.1",
        ),
        Rule(
            "bodies.longer-than-announced",
            MUST,
            "Bytes behind the announced end of an answer are dropped with their connection; the client gets "
            "the exact body.",
            "RFC 9112 9.2, 11.2",
        ),
        Rule(
            "bodies.close-delimited",
            MUST,
            "An answer that ends with its connection is relayed in the proxy's own framing: chunked, for "
            "HTTP/1.0 by closing.",
            "RFC 9112 6.3",
        ),
        Rule(
            "bodies.http10-client",
            MUST,
            "An HTTP/1.0 client gets no chunks: a length where it is known, else the end of the connection.",
            "RFC 9112 6.1",
        ),
        Rule(
            "bodies.http10-downstream",
            MUST,
            "An HTTP/1.0 answer is understood, with and without length; its connection is kept only when it "
            "says keep-alive.",
            "RFC 9112 9.3, C.2",
        ),
        Rule(
            "bodies.coding-untouched",
            MUST,
            "Encoded bytes (gzip, br, zstd, unknown) pass untouched with Content-Encoding, ETag and length.",
            "RFC 9110 7.7, 8.4",
            basis=RFC_SHOULD,
        ),
        Rule(
            "bodies.ranges-untouched",
            MUST,
            "206, 416 and multipart ranges pass untouched, and so do Range and If-Range.",
            "RFC 9110 14",
            basis=RFC_SHOULD,
        ),
        Rule(
            "bodies.backpressure-down",
            MUST,
            "A client that stops reading stops the downstream: the proxy holds a bounded amount of the "
            "answer.",
            "no standard; robustness",
        ),
        Rule(
            "bodies.backpressure-up",
            MUST,
            "A downstream that stops reading stops the client: the proxy holds a bounded amount of the "
            "upload.",
            "no standard; robustness",
        ),
        Rule(
            "bodies.flushed-at-once",
            MUST,
            "Each piece of an answer goes out when it comes, encoded or not, and the head before the first "
            "byte of the body.",
            "HTML, server-sent events 9.2",
        ),
        Rule(
            "bodies.upload-streamed",
            MUST,
            "The request's head and each piece of its body reach the downstream before the body's end has "
            "come.",
            "RFC 9110 7.7",
            basis=OWN,
        ),
        Rule(
            "bodies.request-too-large",
            MUST,
            "A request above `limits.max_request_body` ends with 413; the downstream never sees it "
            "completed.",
            "RFC 9110 15.5.14",
            decision="A length above the limit is refused unseen; a chunked body is broken off when it "
            "passes the limit.",
            basis=OWN,
        ),
        Rule(
            "bodies.client-cut",
            MUST,
            "When the client's body is cut, the downstream's connection is aborted, so the request never "
            "looks complete there.",
            "RFC 9112 8",
        ),
        Rule(
            "bodies.delivery-stream",
            MUST,
            '`delivery = "stream"`, the default, passes each piece on as it comes.',
            "no standard; configuration",
        ),
        Rule(
            "bodies.delivery-buffer",
            MAY,
            '`delivery = "buffer"` reads the whole answer first and sends it with Content-Length; one that '
            "is cut or does not fit `limits.max_buffered_body` becomes a 502.",
            "no standard; configuration",
            capability="settings",
        ),
        Rule(
            "bodies.delivery-transform",
            MAY,
            '`delivery = "transform"` passes the decoded body chunk by chunk through a hook, without the old '
            "length, coding and validators.",
            "RFC 9110 7.7",
            capability="transform",
            decision="A changed body keeps no strong ETag, Content-Length, Content-Encoding, Digest or "
            "ranges of the original.",
        ),
        Rule(
            "bodies.empty-upload",
            SHOULD,
            "A POST with `Content-Length: 0`, and a chunked one without data, reach the downstream as empty "
            "bodies.",
            "RFC 9110 8.6",
        ),
    ),
)
