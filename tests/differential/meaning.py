"""What a client's bytes mean to the strictest reader: how many requests are in them, and where they go wrong.

It is the oracle of the differential test, built on the suite's own parser. It must not know the proxy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from ..parse import Framing, MalformedError, lowered_codings, parse_head, parse_request_line, values

_EMPTY_LINES = re.compile(rb"^(?:\r\n)+")


class End(Enum):
    """How a client's bytes end: with a whole request, with one that closes, in the middle, or badly."""

    COMPLETE = auto()
    CLOSED = auto()
    INCOMPLETE = auto()
    MALFORMED = auto()


@dataclass(frozen=True)
class Asked:
    """One whole request, its body without the transfer coding."""

    method: bytes
    target: bytes
    body: bytes


@dataclass(frozen=True)
class Meaning:
    """`methods` are those of all requests whose head can be read, the last of which may lack its end.

    `rest` is what could not be read.
    """

    requests: tuple[Asked, ...]
    methods: tuple[bytes, ...]
    end: End
    rest: bytes


def meaning(data: bytes) -> Meaning:
    """Reads a connection's bytes, front to end, until a request closes or nobody could say how to go on."""
    requests: list[Asked] = []
    methods: list[bytes] = []
    end = End.COMPLETE
    while end is End.COMPLETE and (data := _EMPTY_LINES.sub(b"", data)):
        stop = data.find(b"\r\n\r\n")
        if stop < 0:
            end = End.INCOMPLETE
            break
        try:
            line, headers = parse_head(data[: stop + 4])
            method, target, version = parse_request_line(line)
            framing = Framing.of(lowered_codings(headers), request=True)
            methods.append(method)
            data = framing.feed(data[stop + 4 :])
        except MalformedError:
            end = End.MALFORMED
            break
        if not framing.done:
            end = End.INCOMPLETE
            break
        requests.append(Asked(method, target, bytes(framing.data)))
        options = {
            part.strip(b" \t") for part in b",".join(values(headers, b"connection")).lower().split(b",")
        }
        if b"close" in options or (version == b"1.0" and b"keep-alive" not in options):
            end = End.CLOSED
    return Meaning(tuple(requests), tuple(methods), end, data)
