"""Well-formed requests, drawn at random: every one of them has to reach the downstream as it is meant.

It must not know what the proxy refuses by choice; what it draws is what any client may send.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

from .inputs import Input
from .meaning import Asked

METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND", b"get", b"X-Y.Z")
HOSTS = (b"proxy", b"proxy:80", b"example.org", b"127.0.0.1", b"[::1]:8080", b"a-b.c_d", b"PROXY.", b"p:")
PATHS = (b"/", b"/a", b"/a/b/", b"//a", b"/a%2Fb", b"/%7e%C3%a9", b"/a;b=c", b"/a|b", b"/.../a", b"/a.b/~c")
QUERIES = (b"", b"", b"?", b"?a=b", b"?a=b&a=c", b"?%0d%0a", b"?a?b", b"?http://x/")
NAMES = (
    b"X-A", b"x-b", b"Accept", b"Accept-Encoding", b"Cookie", b"Authorization", b"User-Agent", b"Range",
    b"Content-Type", b"Content-Encoding", b"Referer", b"Origin", b"If-None-Match", b"X!#$%&'*+.^`|~0",
    b"TE", b"Keep-Alive", b"Proxy-Connection", b"X_A", b"X-Forwarded-For", b"Forwarded", b"X-Request-ID",
    b"X-Real-IP", b"Max-Forwards", b"Via", b"Date", b"Priority",
)  # fmt: skip
VALUES = (
    b"", b"a", b"a b", b"a, b", b'"a, b"', b"caf\xe9", b"caf\xc3\xa9", b"\x80\xff", b"a\tb", b"a:b", b"1",
    b"gzip, br;q=0.5", b"sid=abc; b=c", b"Basic YTpi", b"bytes=0-5", b"W/\"x\"", b"1.1 other", b"for=a",
    b"10.0.0.1", b"x" * 300, b"(comment \\) here)", b"\\", b"%00", b"trailers",
)  # fmt: skip
INNER = b"GET /smuggled HTTP/1.1\r\nHost: proxy\r\n\r\n"
BODIES = (b"", b"a", b"hello", b"\r\n", b"0\r\n\r\n", INNER, b"\x00\xff" * 40, b"x" * 1500)
EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';a="b c"', b";a=b;c")


def cased(rng: Random, name: bytes) -> bytes:
    """The name as it is, in lower or in upper case, or mixed."""
    how = rng.randrange(5)
    if how < 2:
        return name
    if how == 2:
        return name.lower()
    if how == 3:
        return name.upper()
    return bytes(byte ^ 0x20 if rng.random() < 0.5 and chr(byte).isalpha() else byte for byte in name)


def field(rng: Random, name: bytes, value: bytes) -> bytes:
    """A field line without its CRLF, with any whitespace that may surround a value."""
    return (
        cased(rng, name) + b":" + rng.choice((b" ", b" ", b"", b"\t", b"  ")) + value
        + rng.choice((b"", b"", b" ", b"\t "))
    )  # fmt: skip


def extra_fields(rng: Random, most: int = 4) -> list[bytes]:
    return [field(rng, rng.choice(NAMES), rng.choice(VALUES)) for _ in range(rng.randrange(most + 1))]


def chunks(rng: Random, body: bytes) -> bytes:
    """A body in chunks of any size, with extensions, up to and including the last chunk's line."""
    out = b""
    while body:
        size = rng.randint(1, len(body))
        digits = rng.choice((b"%x", b"%X", b"0%x", b"000%x")) % size
        out += digits + rng.choice(EXTENSIONS) + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return out + rng.choice((b"0", b"0", b"00", b"000")) + rng.choice(EXTENSIONS) + b"\r\n"


def framed(rng: Random, body: bytes, version: bytes) -> tuple[list[bytes], bytes]:
    """The fields that frame a body, and its bytes on the wire."""
    if version == b"1.1" and rng.random() < 0.5:
        trailers = b"".join(rng.choice((b"", b"X-T: a\r\n", b"Content-Length: 3\r\n")) for _ in range(2))
        return [field(rng, b"Transfer-Encoding", cased(rng, b"chunked"))], chunks(
            rng, body
        ) + trailers + b"\r\n"
    if not body and rng.random() < 0.7:
        return [], b""
    return [field(rng, b"Content-Length", rng.choice((b"%d", b"%d", b"0%d")) % len(body))], body


def request(rng: Random, *, may_close: bool = True) -> tuple[bytes, Asked]:
    """One request as bytes, and what it asks for."""
    method = rng.choice(METHODS)
    path, query, host = rng.choice(PATHS), rng.choice(QUERIES), rng.choice(HOSTS)
    version = b"1.0" if may_close and rng.random() < 0.1 else b"1.1"
    target = path + query
    sent = b"http://" + host + target if rng.random() < 0.1 else target
    body = rng.choice(BODIES) if rng.random() < 0.6 else b""
    framing, wire = framed(rng, body, version)
    lines = [*framing, *extra_fields(rng)]
    if may_close and rng.random() < 0.1:
        lines.append(field(rng, b"Connection", rng.choice((b"close", b"Close, X-A", b"x, close"))))
    elif rng.random() < 0.2:
        lines.append(field(rng, b"Connection", rng.choice((b"keep-alive", b"X-A, keep-alive", b"", b"TE"))))
    if version == b"1.1" and rng.random() < 0.1:
        lines.append(field(rng, b"Expect", cased(rng, b"100-continue")))
    rng.shuffle(lines)
    lines.insert(rng.randint(0, len(lines)), field(rng, b"Host", host))
    head = method + b" " + sent + b" HTTP/" + version + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    return head + b"\r\n" + wire, Asked(method, target, body)


def split(rng: Random, data: bytes, often: float = 0.15) -> tuple[bytes, ...]:
    """Now and then in two or three pieces: an answer must not depend on how TCP cuts."""
    if rng.random() > often or len(data) < 4:
        return (data,)
    cuts = sorted({0, len(data), *(rng.randrange(1, len(data)) for _ in range(rng.choice((1, 1, 2))))})
    return tuple(data[a:b] for a, b in pairwise(cuts))


def well_formed(rng: Random) -> Input:
    """One to three requests on a connection; only the last may close it."""
    made = [request(rng, may_close=False) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
    made.append(request(rng))
    between = [rng.choice((b"", b"", b"", b"\r\n")) for _ in made]
    data = b"".join(empty + raw for empty, (raw, _) in zip(between, made, strict=True))
    return Input(split(rng, data), tuple(asked for _, asked in made))
