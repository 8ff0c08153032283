"""A server under test between a raw client and the scripted origin, with the verbs of the tests.

It must not know single rules.
"""

from __future__ import annotations

import itertools
import shlex

import pytest

from ..backends import Server
from ..origin import Origin
from ..recorded import Request
from ..wire import Client, Response

rule = pytest.mark.rule

_numbers = itertools.count(1)


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


class Lab:
    """What a test works with. All clients it makes are closed at its end."""

    def __init__(self, server: Server, origin: Origin) -> None:
        self.server = server
        self.origin = origin
        self.clients: list[Client] = []

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
        client = self.send(data)
        response = client.read_response()
        assert response.status in status, f"{response.status} and not {status}: {response.head!r}"
        assert client.ended(), f"behind the refusal came {client.received!r}"
        self.barrier()
        assert not self.others(), f"the origin saw {[bytes(r.raw) for r in self.others()]!r}"
        return response

    def broken(self, data: bytes, *status: int) -> Response:
        """Answered with one of `status`, connection closed, never a whole request at the origin."""
        client = self.send(data)
        response = client.read_response()
        assert response.status in status, f"{response.status} and not {status}: {response.head!r}"
        assert client.ended(), f"behind the refusal came {client.received!r}"
        self.barrier()
        self.never_complete()
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

    # -- explaining

    def transcript(self) -> str:
        """What went over the wire, and how to send it again."""
        host, port = self.server.address
        parts = []
        for client in self.clients:
            parts.append(f"sent:     {_short(client.sent)}\nreceived: {_short(client.received)}")
            if len(client.sent) < 4000:
                sent = shlex.quote(
                    "".join(
                        f"\\{b:03o}" if b < 32 or b > 126 or b in b"\\%'" else chr(b) for b in client.sent
                    )
                )
                parts.append(f"again:    printf {sent} | nc {host} {port}")
        parts += [f"origin:   {_short(request.raw)}" for request in self.origin.requests]
        return "\n".join(parts)


def _short(data: bytes | bytearray, most: int = 1200) -> str:
    text = repr(bytes(data[:most]))
    return text if len(data) <= most else f"{text} ... {len(data)} bytes"
