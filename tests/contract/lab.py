"""A server under test between a raw client and the scripted origin, with the verbs of the tests.

It must not know single rules.
"""

from __future__ import annotations

import itertools
import shlex
import time

import pytest
from downstream_proxy.contract import Basis

from ..backends import Server
from ..origin import Origin
from ..parse import Framing, TruncatedError
from ..recorded import Request
from ..wire import Client, Response

rule = pytest.mark.rule

# For a test, or one of its parameters, that asks another thing of a server than the standard its rule cites.
own = pytest.mark.basis(Basis.OWN)
should = pytest.mark.basis(Basis.RFC_SHOULD)

_numbers = itertools.count(1)

#: What stands for the answer of a server that refuses by closing.
SILENCE = Response(b"1.1", 0, b"", [], Framing("none"), b"")


def get(target: bytes, *fields: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """A request without a body."""
    lines = (method + b" " + target + b" HTTP/" + version, b"Host: proxy", *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(
    target: bytes, body: bytes, *fields: bytes, method: bytes = b"POST", version: bytes = b"1.1"
) -> bytes:
    """A request with a Content-Length."""
    return get(target, b"Content-Length: %d" % len(body), *fields, method=method, version=version) + body


def chunked(
    target: bytes, *pieces: bytes, fields: tuple[bytes, ...] = (), end: bytes = b"0\r\n\r\n"
) -> bytes:
    """A POST in these chunks."""
    return get(target, b"Transfer-Encoding: chunked", *fields, method=b"POST") + chunks(*pieces) + end


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def wait_refused(server: Server) -> None:
    """Until nobody listens any more."""
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        try:
            with Client(server.address) as client:
                client.readable(0.02)
        except OSError:
            return
    raise AssertionError("the listener stays open")


class Lab:
    """What a test works with. All clients it makes are closed at its end."""

    def __init__(self, server: Server, origin: Origin) -> None:
        self.server = server
        self.origin = origin
        self.clients: list[Client] = []

    @property
    def foreign(self) -> bool:
        """Not one of ours: it may do what the standards leave open."""
        return self.server.foreign

    # -- sending

    def connect(self, **options: object) -> Client:
        client = self.server.connect(**options)
        self.clients.append(client)
        return client

    def send(self, data: bytes, **options: object) -> Client:
        return self.connect(**options).send(data)

    def ask(self, data: bytes, **options: object) -> Response:
        """Sends one request on its own connection and reads the whole answer."""
        client = self.send(data, **options)
        response = client.read_response(data.partition(b" ")[0])
        client.close()
        return response

    # -- judging

    def barrier(self) -> None:
        """A plain request, answered: the server is well, and what was to reach the origin before it has."""
        target = b"/barrier/%d" % next(_numbers)
        response = self.ask(get(target))
        assert response.status == 200, f"an ordinary request gets {response.head!r}"
        assert self.origin.seen(target)

    def others(self) -> list[Request]:
        """What the origin saw but for barriers."""
        return [r for r in list(self.origin.requests) if not r.target.startswith(b"/barrier/")]

    def refused(self, data: bytes, *status: int) -> Response:
        """Answered with one of `status`, connection closed, nothing of it at the origin."""
        response = self._refusal(data, status)
        self.barrier()
        assert not self.others(), f"the origin saw {[bytes(r.raw) for r in self.others()]!r}"
        return response

    def broken(self, data: bytes, *status: int, blames_others: bool = False) -> Response:
        """Answered with one of `status`, connection closed, never a whole request at the origin.

        blames_others: a server that is not ours may take it for a fault of the downstream and answer 5xx.
        """
        response = self._refusal(data, status, blames_others)
        self.barrier()
        self.never_complete()
        return response

    def _refusal(self, data: bytes, status: tuple[int, ...], blames_others: bool = False) -> Response:
        """The answer that refuses. Somebody else's may choose another status for it, close the connection
        without an answer, and keep it open behind one, so long as nothing more comes."""
        client = self.send(data)
        try:
            response = client.read_response()
        except TruncatedError:
            if self.foreign and not client.received:
                return SILENCE
            raise
        refuses = 400 <= response.status < (600 if blames_others else 500) or response.status in (501, 505)
        assert response.status in status or (self.foreign and refuses), (
            f"{response.status} and not {status}: {response.head!r}"
        )
        if self.foreign and b"close" not in b",".join(response.all(b"connection")).lower():
            assert not client.readable(0.2) or client.ended(), f"behind it came {client.received!r}"
            client.close()
        else:
            assert client.ended(), f"behind the refusal came {client.received!r}"
        return response

    def never_complete(self) -> None:
        """Whatever the origin saw was cut off: its connection ended before its body did."""
        for request in self.others():
            self.origin.wait_closed(request.conn)
            assert not request.complete, f"the origin saw a whole request: {bytes(request.raw)!r}"

    def forwarded(self, data: bytes) -> Request:
        """Answered with 200, and exactly one request at the origin, which is returned."""
        response = self.ask(data)
        assert response.status == 200, f"{response.head + response.body[:300]!r}"
        assert len(self.others()) == 1, f"the origin saw {[bytes(r.raw) for r in self.others()]!r}"
        return self.others()[0]

    def holds(self, lines: list[bytes], line: bytes) -> bool:
        """Whether `line` is one of the head's. Names of fields have no case (RFC 9110 5.1): that ours keeps
        it is a rule of its own."""
        if not self.foreign:
            return line in lines
        return _folded(line) in map(_folded, lines)

    # -- explaining

    def transcript(self) -> str:
        """What went over the wire, and how to send it again."""
        host, port = self.server.address
        parts = []
        for client in self.clients:
            parts.append(f"sent:     {_short(client.sent)}\nreceived: {_short(client.received)}")
            if len(client.sent) < 4000:
                parts.append(f"again:    printf {_printf(client.sent)} | nc {host} {port}")
        parts += [f"origin:   {_short(request.raw)}" for request in self.origin.requests]
        return "\n".join(parts)


def _folded(line: bytes) -> bytes:
    """A field line with its name in lower case, and one space behind the colon; others as they are."""
    name, colon, value = line.partition(b":")
    line = line.removesuffix(b" HTTP/1.0").removesuffix(b" HTTP/1.1")  # the version is a rule of its own
    return name.lower() + b": " + value.strip() if colon and b" " not in name else line


def _printf(data: bytes | bytearray) -> str:
    """The argument that makes printf(1) write these bytes."""
    return shlex.quote("".join(f"\\{b:03o}" if b < 32 or b > 126 or b in b"\\%'" else chr(b) for b in data))


def _short(data: bytes | bytearray, most: int = 1200) -> str:
    text = repr(bytes(data[:most]))
    return text if len(data) <= most else f"{text} ... {len(data)} bytes"
