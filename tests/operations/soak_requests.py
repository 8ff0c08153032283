"""The soak's requests that are one question and one answer: what to send, and what the answer has to be.

It must not know who sends them, how often, or what happens to the proxy meanwhile.
"""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from ..reliability.caller import Answer, get
from .soak_account import described
from .soak_origins import EVENTS, SECRETS, Files, event

RIGHT, REFUSED = "right", "refused"
Check = Callable[[Answer], str]
"""Gives RIGHT, REFUSED for a refusal that was asked for, or what was seen instead."""
Made = tuple[bytes, Check]


@dataclass
class Requests:
    """All of them: a method makes one. It remembers what a client of the same kind got before."""

    files: Files
    ports: frozenset[bytes]

    def whole(self, body: bytes, status: int = 200) -> Check:
        return lambda a: RIGHT if a.status == status and a.body == body else described(a)

    def refused(self, *statuses: int) -> Check:
        return lambda a: REFUSED if a.status in statuses else described(a)

    def download(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/large.bin", *fields), self.whole(self.files.large)

    def chunked(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/chunked.txt", *fields), self.whole(self.files.text)

    def gzip(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        def check(a: Answer) -> str:
            if a.status != 200 or a.one(b"content-encoding") != b"gzip":
                return described(a)
            return RIGHT if gzip.decompress(a.body) == self.files.text else "another text"

        return get("/gzip.txt", "Accept-Encoding: gzip", *fields), check

    def range(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        first = rng.randrange(len(self.files.large) - 70_000)
        last = first + rng.randrange(1, 70_000)
        wanted = self.whole(self.files.large[first : last + 1], 206)
        return get("/large.bin", f"Range: bytes={first}-{last}", *fields), wanted

    def unmodified(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        modified = (self.files.served / "text.txt").stat().st_mtime
        date = f"If-Modified-Since: {formatdate(modified, usegmt=True)}"
        exact = f'If-None-Match: "{int(modified):x}-{len(self.files.text):x}"'
        return get("/text.txt", rng.choice((date, exact)), *fields), _is(304)

    def missing(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/there/is/none", *fields, method=rng.choice(("GET", "HEAD"))), _is(404)

    def head(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/large.bin", *fields, method="HEAD"), _is(200)

    def told(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        """What header rules, forwarding and Via make of it. nginx joins fields of one name since 1.23."""
        client = f"198.51.100.{rng.randrange(1, 255)}"
        sent = (f"X-Forwarded-For: {client}", "X-Unwanted: x", "Under_Score: kept", *fields)
        wanted = [*SECRETS, "one, two", "", "kept", "1.1 soak", f"{client}, 127.0.0.1", "https"]

        def check(a: Answer) -> str:
            found = a.body.decode().replace("|one|", "|one, two|").split("|")
            right = found[:-1] == wanted and "for=127.0.0.1" in found[-1] and a.one(b"x-generation")
            return RIGHT if a.status == 200 and right and not a.one(b"server") else described(a) + repr(found)

        return get("/told", *sent), check

    def upload(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        body = rng.randbytes(rng.choice((1, 1_000, 65_536, 1_500_000)))
        if rng.random() < 0.5:
            framing, sent = f"Content-Length: {len(body)}", body
        else:
            pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
            framing = "Transfer-Encoding: chunked"
            sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        digest = hashlib.sha256(body).hexdigest().encode()
        return get("/echo", framing, *fields, method="POST") + sent, self.whole(digest)

    def buffered(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/buffered/text.txt", *fields), self.whole(self.files.text)

    def upper(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/upper/text.txt", *fields), self.whole(self.files.text.upper())

    def events(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        wanted = b"".join(event(n) for n in range(EVENTS))
        return get("/live/events", "Accept: text/event-stream", *fields), self.whole(wanted)

    def mutual(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        def check(a: Answer) -> str:
            return RIGHT if a.status == 200 and b"CN=client.soak" in a.body else described(a)

        return get("/mutual", *fields), check

    def unverified(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/unverified/text.txt", *fields), self.whole(self.files.text)

    def environment(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        return get("/environment/get", *fields), self.whole(b"ok")

    def limited(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        """Over the limit of one client, in bursts. A refusal says when to come back."""
        key = "X-Forwarded-For: 203.0.113.9" if rng.random() < 0.5 else "X-API-Key: soak"

        def check(a: Answer) -> str:
            if a.status == 429 and a.one(b"retry-after"):
                return REFUSED
            told = a.one(b"ratelimit") and a.one(b"ratelimit-policy")
            return RIGHT if a.status == 200 and a.body == b"ok" and told else described(a)

        return get("/limited/get", key, *fields), check

    def private(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        def check(a: Answer) -> str:
            return REFUSED if described(a) == "502 address-prohibited" else described(a)

        return get("/private/get", *fields), check

    def hidden(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        """The main listener has not what the admin address has."""
        return get("/-/own/metrics", *fields), self.refused(404)

    def malformed(self, rng: random.Random, fields: tuple[str, ...]) -> Made:
        """Each with the refusal that belongs to it. They close the connection."""
        status, request = rng.choice(
            (
                (400, b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                (400, b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n"),
                (400, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
                (400, b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                (413, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"),
                (414, b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 5000)),
                (431, b"GET /x HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"X-Many: 1\r\n" * 70)),
                (505, b"GET /x HTTP/3.0\r\nHost: a\r\n\r\n"),
            )
        )
        return request, self.refused(status)


def _is(status: int) -> Check:
    return lambda a: RIGHT if a.status == status else described(a)
