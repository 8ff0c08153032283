"""A table of frame sequences over RFC 6455, sections 5 to 7: what a client may send and what it must not.

Covers the ground of the Autobahn suite's chapters 1 to 7. Data only; what is right is for the server to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame


@dataclass(frozen=True)
class Case:
    """data: what the client sends behind the handshake, in pieces of `chop` bytes (0: all at once).

    ends: whether the client then sends a last message and, at its echo, Close 1000. half_closes: whether it
    ends its side of the connection at the first frame it gets.
    """

    name: str
    data: bytes
    chop: int = 0
    ends: bool = True
    half_closes: bool = False


SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536)
KAPPA = "κόσμε".encode()
VALID = {
    "ascii": b"hello",
    "two bytes": b"\xc3\xa9",
    "kappa": KAPPA,
    "last of one": b"\x7f",
    "first of two": b"\xc2\x80",
    "first of three": b"\xe0\xa0\x80",
    "below surrogates": b"\xed\x9f\xbf",
    "above surrogates": b"\xee\x80\x80",
    "last of three": b"\xef\xbf\xbf",
    "first of four": b"\xf0\x90\x80\x80",
    "last": b"\xf4\x8f\xbf\xbf",
    "nul": b"a\0b",
    "bom": b"\xef\xbb\xbfx",
}
INVALID = {
    "ff": b"\xff",
    "fe": b"a\xfe",
    "lone continuation": b"\x80",
    "overlong two": b"\xc0\xaf",
    "overlong three": b"\xe0\x80\xaf",
    "overlong four": b"\xf0\x80\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "surrogate pair": b"\xed\xa1\x8c\xed\xbe\xb4",
    "too high": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut two": b"\xc3",
    "cut three": b"\xe2\x82",
    "cut four": b"\xf0\x9f\x98",
    "bad in the middle": KAPPA + b"\xed\xa0\x80" + b"edited",
}
CODES = (0, 1, 500, 999, *range(1000, 1017), 1100, 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535)


def _f(opcode: int, payload: bytes = b"", final: bool = True, rsv: int = 0) -> bytes:
    return frame(opcode, payload, final=final, masked=True, rsv=rsv)


def _messages() -> Iterator[Case]:
    for kind, opcode in (("text", TEXT), ("binary", BINARY)):
        for size in SIZES:
            data = _f(opcode, b"*" * size)
            yield Case(f"{kind} of {size}", data)
            if size in (1, 126, 65536):
                for chop in (1, 2, 7, 997) if size < 1000 else (997, 4096):
                    yield Case(f"{kind} of {size} in pieces of {chop}", data, chop)
    for size in (10, 1000, 200_000):
        parts = [_f(TEXT if n == 0 else CONTINUATION, b"x" * (size // 10), n == 9) for n in range(10)]
        yield Case(f"ten fragments of {size // 10}", b"".join(parts))
    yield Case("many tiny", b"".join(_f(TEXT, b"%d" % n) for n in range(300)))


def _controls() -> Iterator[Case]:
    for kind, opcode in (("ping", PING), ("pong", PONG)):
        for size in (0, 1, 125, 126, 65536):
            yield Case(f"{kind} of {size}", _f(opcode, b"p" * size))
        yield Case(f"{kind} in fragments", _f(opcode, b"p", False) + _f(CONTINUATION, b"q"))
        yield Case(f"{kind} byte by byte", _f(opcode, b"payload"), 1)
        yield Case(f"ten {kind}s", b"".join(_f(opcode, b"%d" % n) for n in range(10)))
        yield Case(f"{kind} with binary", _f(opcode, b"\0\xff\xfe"))
    yield Case("ping between messages", _f(TEXT, b"a") + _f(PING, b"p") + _f(TEXT, b"b"))


def _reserved() -> Iterator[Case]:
    for rsv in range(1, 8):
        for kind, opcode in (("text", TEXT), ("ping", PING), ("close", CLOSE)):
            payload = close(1000)[2:] if opcode == CLOSE else b"x"
            yield Case(f"{kind} with RSV {rsv:03b}", _f(TEXT, b"before") + _f(opcode, payload, rsv=rsv))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"opcode {opcode}", _f(TEXT, b"before") + _f(opcode, b"x"))
        yield Case(f"opcode {opcode} empty", _f(opcode))
    for opcode in (TEXT, BINARY, PING, CLOSE):
        yield Case(f"opcode {opcode} without a mask", frame(opcode, b"\x03\xe8"))
    for size, head in ((5, b"\x81\xfe\x00\x05"), (5, b"\x81\xff" + bytes(7) + b"\x05"), (0, b"\x81\xfe\0\0")):
        yield Case(f"length {size} in {len(head)} bytes of header", head + bytes(4) + b"hello"[:size])


def _fragments() -> Iterator[Case]:
    first, middle, last = _f(TEXT, b"a", False), _f(CONTINUATION, b"b", False), _f(CONTINUATION, b"c")
    ping, pong = _f(PING, b"p"), _f(PONG, b"q")
    orders = {
        "two": first + last,
        "three": first + middle + last,
        "empty first": _f(TEXT, b"", False) + last,
        "all empty": _f(TEXT, b"", False) + _f(CONTINUATION, b"", False) + _f(CONTINUATION),
        "ping within": first + ping + last,
        "pings within": first + ping + middle + ping + pong + last,
        "lone continuation": last,
        "lone open continuation": middle,
        "continuation after message": _f(TEXT, b"m") + last,
        "text within": first + _f(TEXT, b"m") + last,
        "binary within": first + _f(BINARY, b"m") + last,
        "first twice": first + first + last,
        "close within": first + _f(CLOSE, b"\x03\xe8"),
        "two messages": first + last + first + middle + last,
    }
    for name, data in orders.items():
        yield Case(f"fragments: {name}", data)
        yield Case(f"fragments: {name}, byte by byte", data, 1)


def _utf8() -> Iterator[Case]:
    for kind, table in (("valid", VALID), ("invalid", INVALID)):
        for name, text in table.items():
            yield Case(f"{kind} UTF-8: {name}", _f(TEXT, text))
            split = [
                _f(CONTINUATION if n else TEXT, text[n : n + 1], n + 1 == len(text)) for n in range(len(text))
            ]
            if len(text) > 1:
                yield Case(f"{kind} UTF-8 in fragments: {name}", b"".join(split))
    for name in ("ff", "surrogate", "cut three"):
        yield Case(f"binary that is no UTF-8: {name}", _f(BINARY, INVALID[name]))
    yield Case("ping amid a character", _f(TEXT, b"\xc3", False) + _f(PING) + _f(CONTINUATION, b"\xa9"))


def _closes() -> Iterator[Case]:
    for code in CODES:
        yield Case(f"close {code}", _f(CLOSE, code.to_bytes(2, "big")), ends=False)
    for name, payload in {
        "empty": b"",
        "one byte": b"\x03",
        "reason": b"\x03\xe8bye",
        "longest reason": b"\x03\xe8" + b"r" * 123,
        "too long": b"\x03\xe8" + b"r" * 124,
        "reason in UTF-8": b"\x03\xe8" + KAPPA,
        "reason not in UTF-8": b"\x03\xe8\xff",
    }.items():
        yield Case(f"close: {name}", _f(CLOSE, payload), ends=False)
        yield Case(f"close: {name}, byte by byte", _f(CLOSE, payload), 1, ends=False)
    yield Case("text after close", _f(CLOSE, b"\x03\xe8") + _f(TEXT, b"late"), ends=False)
    yield Case("ping after close", _f(CLOSE, b"\x03\xe8") + _f(PING, b"late"), ends=False)
    yield Case("close twice", _f(CLOSE, b"\x03\xe8") * 2, ends=False)
    yield Case("close in fragments", _f(CLOSE, b"\x03\xe8", False), ends=False)
    yield Case("server closes first", _f(TEXT, b"close me"))
    whole = _f(TEXT, b"whole") + _f(BINARY, b"cut" * 50)
    for left in (0, 1, 2, 3, 4, 7, 8, 60):
        cut = len(_f(TEXT, b"whole")) + left
        yield Case(f"end of the stream {left} bytes into a frame", whole[:cut], 0, False, True)


def _table() -> list[Case]:
    made = (_messages(), _controls(), _reserved(), _fragments(), _utf8(), _closes())
    return [case for chapter in made for case in chapter]


CASES = _table()
