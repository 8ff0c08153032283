"""Requests that two readers might read in two ways, by families: the classes of request smuggling and worse.

Each family is a function from a random source to bytes. It must not know what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .fragments import (
    CHUNK_DATA,
    CHUNK_EXTENSIONS,
    CHUNK_SIZES,
    CODINGS,
    CONNECTIONS,
    EXPECTS,
    HOSTS,
    LENGTHS,
    LINE_ENDS,
    NOISE,
    ODD_METHODS,
    TARGETS,
    TRAILERS,
    UPGRADES,
    VERSIONS,
)
from .grammar import INNER, METHODS, cased, extra_fields, field, framed, request

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def _head(
    rng: Random,
    lines: list[bytes],
    method: bytes = b"POST",
    target: bytes = b"/h",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    lines = [*lines, *extra_fields(rng, 2)]
    if not any(line.lower().startswith(b"host") for line in lines):
        lines.insert(rng.randint(0, len(lines)), b"Host: proxy")
    return b"\r\n".join((method + b" " + target + b" " + version, *lines)) + b"\r\n\r\n"


def _name(rng: Random, name: bytes) -> bytes:
    """A field name and its colon, rarely quite right."""
    how = rng.randrange(10)
    if how < 5:
        return cased(rng, name) + b":" + rng.choice((b" ", b"", b"\t"))
    if how == 5:
        return name + rng.choice(
            (b" :", b"\t:", b"\x00:", b"\x0b:", b"\r\n :", b" ", b"=", b"::", b"\r:", b"\xa0:")
        )
    if how == 6:
        return rng.choice((b" ", b"\t", b"\x0b", b"\x00", b"\xa0", b"X: y\n", b"X: y\r", b":")) + name + b": "
    if how == 7:
        return name.replace(b"-", rng.choice((b"_", b"", b" ", b"--", b"\xad", b"\x00-", b"\r\n-"))) + b": "
    at = rng.randrange(len(name) + 1)
    return name[:at] + rng.choice(NOISE) + name[at:] + b": "


def _body(rng: Random) -> bytes:
    """Bytes that are a body to one reader and a request to another."""
    return rng.choice(
        (
            b"hello",
            CHUNKED,
            CHUNKED + INNER,
            b"0\r\n\r\n" + INNER,
            INNER,
            b"",
            b"5\r\nhello\r\n",
            b"hell",
            b"hello" + INNER,
        )
    )


def transfer_encoding(rng: Random) -> bytes:
    lines = [_name(rng, b"Transfer-Encoding") + rng.choice(CODINGS)]
    if rng.random() < 0.3:
        lines.append(_name(rng, b"Transfer-Encoding") + rng.choice(CODINGS))
    if rng.random() < 0.5:
        lines.append(field(rng, b"Content-Length", rng.choice((b"0", b"5", b"15", b"4", b"6"))))
    rng.shuffle(lines)
    return _head(rng, lines, version=rng.choice((b"HTTP/1.1",) * 5 + (b"HTTP/1.0",))) + _body(rng)


def content_length(rng: Random) -> bytes:
    lines = [_name(rng, b"Content-Length") + rng.choice(LENGTHS)]
    if rng.random() < 0.3:
        lines.append(_name(rng, b"Content-Length") + rng.choice(LENGTHS))
    return _head(
        rng, lines, rng.choice(METHODS), version=rng.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"))
    ) + _body(rng)


def chunk_syntax(rng: Random) -> bytes:
    """A chunked body with one thing wrong, or two, or none."""
    parts = [b"5", b"", b"\r\n", b"hello", b"\r\n", b"0", b"", b"\r\n", b"", b"\r\n"]
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(parts))
        if at in (0, 5):
            size = rng.choice(CHUNK_SIZES)
            parts[at] = size % int(at == 0 and 5) if b"%x" in size else size
        elif at in (1, 6):
            parts[at] = rng.choice(CHUNK_EXTENSIONS)
        elif at in (2, 4, 7, 9):
            parts[at] = rng.choice(LINE_ENDS)
        elif at == 3:
            parts[at] = rng.choice(CHUNK_DATA)
        else:
            parts[at] = rng.choice(TRAILERS)
    body = b"".join(parts) + rng.choice((b"", b"", INNER, b"\r\n" + INNER))
    return _head(rng, [field(rng, b"Transfer-Encoding", b"chunked")], rng.choice(METHODS[:4])) + body


def line_ends(rng: Random) -> bytes:
    """A request of which some lines end otherwise."""
    parts = request(rng)[0].split(b"\r\n")
    ends = [b"\r\n"] * (len(parts) - 1) + [b""]
    for _ in range(rng.choice((1, 1, 2, 3))):
        ends[rng.randrange(len(parts))] = rng.choice(LINE_ENDS)
    if rng.random() < 0.1:
        ends = [rng.choice((b"\n", b"\r"))] * len(parts)
    return b"".join(part + end for part, end in zip(parts, ends, strict=True))


def host_forms(rng: Random) -> bytes:
    lines = [_name(rng, b"Host") + rng.choice(HOSTS) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if rng.random() < 0.7:
        lines = [field(rng, b"Host", rng.choice(HOSTS))]
    host = lines[0].partition(b":")[2].strip()
    target = rng.choice((b"/", b"/", b"/", b"http://" + host + b"/a", b"http://proxy/", b"//" + host + b"/"))
    version = rng.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"))
    if rng.random() < 0.05:
        return b"GET " + target + b" " + version + b"\r\nX-A: b\r\n\r\n"
    return _head(rng, lines, b"GET", target, version)


def targets(rng: Random) -> bytes:
    target = rng.choice(TARGETS)
    if rng.random() < 0.3:
        at = rng.randrange(len(target) + 1)
        target = target[:at] + rng.choice(NOISE) + target[at:]
    return _head(
        rng,
        [],
        rng.choice((b"GET", b"GET", b"OPTIONS", b"POST", b"CONNECT")),
        target,
        rng.choice(VERSIONS[:2]),
    )


def header_bytes(rng: Random) -> bytes:
    """Any byte at all somewhere in a field."""
    line = bytearray(
        rng.choice(
            (b"X-A: hello", b"Cookie: a=b", b"Connection: keep-alive", b"Expect: 100-continue", b"Via: 1.1 a")
        )
    )
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(line) + 1)
        line[at : at + rng.randrange(2)] = bytes([rng.randrange(256)])
    lines = [bytes(line)]
    if rng.random() < 0.05:
        lines += [b"X-N: %d" % n for n in range(140)]
    if rng.random() < 0.05:
        lines.append(b"X-Long: " + b"x" * rng.choice((16000, 33000)))
    return _head(rng, lines, rng.choice(METHODS))


def request_lines(rng: Random) -> bytes:
    method, target, version = rng.choice(ODD_METHODS), rng.choice(TARGETS[:12]), rng.choice(VERSIONS)
    if rng.random() < 0.5:
        version = b"HTTP/1.1"
    line = rng.choice((b" ", b" ", b" ", b"  ", b"\t", b"\x0b")).join((method, target, version))
    return (
        line
        + b"\r\n"
        + rng.choice((b"Host: proxy\r\n", b"Host: proxy\r\nX: y\r\n", b" Host: proxy\r\n", b""))
        + b"\r\n"
    )


def upgrades(rng: Random) -> bytes:
    """Upgrade, Connection and Expect in all company, also that of a body."""
    lines = [field(rng, b"Connection", rng.choice(CONNECTIONS)) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.7:
        lines.append(field(rng, b"Upgrade", rng.choice(UPGRADES)))
    if rng.random() < 0.5:
        lines += [
            b"Sec-WebSocket-Version: " + rng.choice((b"13", b"8", b"")),
            b"Sec-WebSocket-Key: " + rng.choice((b"dGhlIHNhbXBsZSBub25jZQ==", b"a")),
        ]
    if rng.random() < 0.4:
        lines.append(field(rng, b"Expect", rng.choice(EXPECTS)))
    version = rng.choice((b"1.1", b"1.1", b"1.1", b"1.0"))
    framing, body = framed(rng, rng.choice((b"", b"", b"hello", INNER)), version)
    return _head(rng, lines + framing, rng.choice(METHODS), version=b"HTTP/" + version) + body


def pipelines(rng: Random) -> bytes:
    """A good request and a bad one, in either order, or two bad ones."""
    good = request(rng, may_close=rng.random() < 0.2)[0]
    bad = rng.choice([family for name, family in FAMILIES.items() if name not in ("pipelines", "mutations")])(
        rng
    )
    return rng.choice((good + bad, good + bad, bad + good, bad + INNER))


def mutations(rng: Random) -> bytes:
    """Good requests with bytes changed, lost, doubled, moved or added anywhere."""
    data = bytearray(b"".join(request(rng)[0] for _ in range(rng.choice((1, 1, 2)))))
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        a = rng.randrange(len(data) + 1)
        b = min(len(data), a + rng.choice((1, 1, 2, 5, 20)))
        how = rng.randrange(6)
        if how == 0:
            data[a:b] = b""
        elif how == 1:
            data[a:a] = data[a:b]
        elif how == 2:
            data[a:a] = rng.choice(NOISE)
        elif how == 3 and b > a:
            data[a] ^= 1 << rng.randrange(8)
        elif how == 4:
            data[a:a] = rng.choice(
                (
                    b"Transfer-Encoding: chunked\r\n",
                    b"Content-Length: 5\r\n",
                    b"\r\n\r\n",
                    b"Host: evil\r\n",
                    b"0\r\n\r\n",
                )
            )
        else:
            to = rng.randrange(len(data) + 1)
            data[to:to] = data[a:b]
    if rng.random() < 0.1:
        del data[rng.randrange(1, len(data)) :]
    return bytes(data)


Family = Callable[[Random], bytes]

FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        transfer_encoding,
        content_length,
        chunk_syntax,
        line_ends,
        host_forms,
        targets,
        header_bytes,
        request_lines,
        upgrades,
        pipelines,
        mutations,
    )
}
