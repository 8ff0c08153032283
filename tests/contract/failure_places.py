"""Downstreams that fail, each in its way, and the settings of one server in front of them all.

It must not know what a failure has to look like.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import trustme

from ..origin import Origin

_SETTINGS = """
[downstreams.plain]
prefix = "/plain"
url = "http://$ORIGIN"
retry = {{ budget = 1.0 }}
[downstreams.single]
prefix = "/single"
url = "http://$ORIGIN"
pool = {{ max_connections = 1, max_queue = 1 }}
timeouts = {{ pool = 0.3 }}
[downstreams.full]
prefix = "/full"
url = "http://$ORIGIN"
pool = {{ max_connections = 1, max_queue = 0 }}
[downstreams.breaker]
prefix = "/breaker"
url = "http://$ORIGIN"
breaker = {{ failures = 1.0, min_requests = 1, first = 300 }}
[downstreams.dns]
prefix = "/dns"
url = "http://no-such-host.invalid"
[downstreams.slow-dns]
prefix = "/slow-dns"
url = "http://slow.invalid"
timeouts = {{ connect = 0.4 }}
[downstreams.refused]
prefix = "/refused"
url = "http://127.0.0.1:1"
[downstreams.unreachable]
prefix = "/unreachable"
url = "http://broadcast.invalid:80"
[downstreams.hole]
prefix = "/hole"
url = "http://{hole}"
timeouts = {{ connect = 0.4 }}
[downstreams.private]
prefix = "/private"
url = "http://localhost:$PORT"
allow_private = false
[downstreams.no-tls]
prefix = "/no-tls"
url = "https://localhost:{plain}"
[downstreams.quick]
prefix = "/quick"
url = "http://$ORIGIN"
timeouts = {{ head = 0.3, read_idle = 0.3 }}
[downstreams.total]
prefix = "/total"
url = "http://$ORIGIN"
timeouts = {{ total = 0.4 }}
[downstreams.buffer]
prefix = "/buffer"
url = "http://$ORIGIN"
delivery = "buffer"
limits = {{ max_buffered_body = 1000 }}
[downstreams.upper]
prefix = "/upper"
url = "http://$ORIGIN"
delivery = "transform"
transform = "{package}.sabotage:upper"
[downstreams.mistake]
prefix = "/mistake"
url = "http://$ORIGIN"
"""

_TLS = """
[downstreams.{name}]
prefix = "/{name}"
url = "https://localhost:{port}"
timeouts = {{ head = 5.0 }}
"""


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """The authority of a listener whose queue is full, so that a connection never comes about."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        address = listener.getsockname()
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"{address[0]}:{address[1]}"


async def _no_tls() -> asyncio.Server:
    """A server that answers a TLS hello as plain HTTP servers do."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1")


class TlsPlaces:
    """Origins behind TLS, one per fault of a handshake; `trusted` has none. Their certificates lie in
    `directory`."""

    def __init__(self, directory: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        ca = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        leaves = {
            "trusted": authority.issue_cert("localhost"),
            "expired": authority.issue_cert("localhost", not_after=past),
            "wrong-host": authority.issue_cert("elsewhere.example"),
            "unknown-ca": stranger.issue_cert("localhost"),
            "client-cert": authority.issue_cert("localhost"),
            "client-cert-13": authority.issue_cert("localhost"),
        }
        self.origins: dict[str, Origin] = {}
        self.settings = ""
        for name, leaf in leaves.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(context)
            if name.startswith("client-cert"):
                context.verify_mode = ssl.CERT_REQUIRED
                authority.configure_trust(context)
            if name == "client-cert":
                # Here the refusal comes within the handshake; since TLS 1.3 it comes after it.
                context.maximum_version = ssl.TLSVersion.TLSv1_2
            origin = self.origins[name] = Origin(tls=context)
            self.settings += _TLS.format(name=name, port=origin.address[1])
            self.settings += f'tls = {{ ca = "{ca}" }}\n'

        self._plain = self.origins["trusted"].run(_no_tls())
        self.plain_port: int = self._plain.sockets[0].getsockname()[1]

    def stop(self) -> None:
        async def close() -> None:
            self._plain.close()

        self.origins["trusted"].run(close())
        for origin in self.origins.values():
            origin.stop()


def settings(hole: str, tls: TlsPlaces) -> str:
    """The TOML of the one server."""
    return _SETTINGS.format(hole=hole, plain=tls.plain_port, package=__package__) + tls.settings
