"""Chapter operations: TLS on the listener, its certificates, and those of clients."""

from __future__ import annotations

import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from ..backends import Backend
from ..origin import Origin
from ..wire import Client
from .lab import Lab, get, rule, wait_refused


class Certificates:
    """An authority, and where the server finds what it issued."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(directory / "ca.pem")
        self.issue()

    def issue(self) -> None:
        """A new certificate in the place of the last one."""
        made = self.authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(self.directory / "key.pem")
        made.cert_chain_pems[0].write_to_path(self.directory / "cert.pem")

    def settings(self, more: str = "") -> str:
        folder = self.directory
        return f'ssl_certfile = "{folder}/cert.pem"\nssl_keyfile = "{folder}/key.pem"\n{more}'

    def client(self, certificate: bool = False) -> ssl.SSLContext:
        """What speaks to the server; with a certificate of the same authority or without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.authority.configure_trust(context)
        if certificate:
            self.authority.issue_cert("client@example.org").configure_cert(context)
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


Start = Callable[..., Lab]


@pytest.fixture
def start(backend: Backend, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """`start(toml, context)`: a lab around a TLS server of the test's own."""
    labs: list[Lab] = []

    def make(settings: str, context: ssl.SSLContext) -> Lab:
        server = backend.start(settings, origin, tmp_path_factory.getbasetemp(), context)
        labs.append(Lab(server, origin))
        return labs[-1]

    yield make
    for lab in labs:
        for client in lab.clients:
            client.close()
    for lab in labs:
        lab.server.stop()


def tls_of(client: Client) -> ssl.SSLSocket:
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock


def serial(lab: Lab) -> object:
    """Of the certificate that a new connection is shown."""
    certificate = tls_of(lab.connect()).getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


@rule("operations.tls")
def test_the_listener_speaks_tls_1_2_at_least_and_http_1_1(start: Start, certificates: Certificates) -> None:
    lab = start(certificates.settings(), certificates.client())
    client = lab.send(get(b"/x"))
    assert client.read_response().status == 200
    assert tls_of(client).selected_alpn_protocol() == "http/1.1"
    assert b"X-Forwarded-Proto: https" in lab.others()[-1].lines
    older = certificates.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert lab.ask(get(b"/x"), tls=older).status == 200
    older.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        older.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        older.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        lab.connect(tls=older)
    lab.barrier()


@rule("operations.tls")
def test_tls_1_3_can_be_the_least(start: Start, certificates: Certificates) -> None:
    lab = start(certificates.settings('ssl_min_version = "1.3"\n'), certificates.client())
    older = certificates.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        lab.connect(tls=older)
    lab.barrier()


@rule("operations.tls-clients")
@pytest.mark.parametrize("auth", ["required", "optional"])
def test_client_certificates_are_asked_for(start: Start, certificates: Certificates, auth: str) -> None:
    more = f'ssl_client_ca = "{certificates.directory}/ca.pem"\nssl_client_auth = "{auth}"\n'
    lab = start(certificates.settings(more), certificates.client(certificate=True))
    lab.barrier()
    if auth == "optional":
        assert lab.ask(get(b"/x"), tls=certificates.client()).status == 200
    else:
        assert turned_away(lab, certificates.client())
    stranger = certificates.client()
    trustme.CA().issue_cert("stranger@example.org").configure_cert(stranger)
    assert turned_away(lab, stranger)
    lab.barrier()


def turned_away(lab: Lab, context: ssl.SSLContext) -> bool:
    """True when the server ends the connection unanswered; with TLS 1.3 a client hears of it late."""
    before = len(lab.others())
    try:
        client = lab.connect(tls=context).send(get(b"/x"))
        client.read_to_end()
        return not client.received and len(lab.others()) == before
    except (ssl.SSLError, ConnectionResetError):
        return len(lab.others()) == before


@rule("operations.reload", "operations.reload-refused", "operations.tls")
def test_new_connections_see_a_reloaded_certificate_and_old_ones_go_on(
    start: Start, certificates: Certificates
) -> None:
    settings = certificates.settings()
    lab = start(settings, certificates.client())
    old = lab.connect()
    assert old.send(get(b"/x")).read_response().status == 200
    first = serial(lab)
    (certificates.directory / "cert.pem").write_text("no certificate\n")
    signalled(lab, "the configuration stays as it is: --ssl-certfile .*cert.pem")
    assert serial(lab) == first
    certificates.issue()
    signalled(lab, "reloaded the configuration")
    assert serial(lab) != first
    assert old.send(get(b"/x")).read_response().status == 200
    lab.server.configure(certificates.settings('ssl_min_version = "1.3"\n'))
    signalled(lab, "reloaded the configuration")
    older = certificates.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        lab.connect(tls=older)
    lab.server.configure("")
    signalled(lab, r"a reload does not change TLS on or off \(ssl_certfile\); restart for that")
    lab.barrier()


def signalled(lab: Lab, said: str) -> None:
    """Sends SIGHUP, and waits until the log says what it should."""
    before = lab.server.said(said)
    lab.server.signal(signal.SIGHUP)
    deadline = time.monotonic() + 8
    while lab.server.said(said) == before:
        assert time.monotonic() < deadline, lab.server.log()[-2000:]
        time.sleep(0.01)


@rule("operations.tls", "operations.drain")
def test_a_handshake_under_way_as_the_listener_closes_still_gets_its_answer(
    start: Start, certificates: Certificates
) -> None:
    lab = start(certificates.settings(), certificates.client())
    raw = socket.create_connection(lab.server.address, timeout=8)
    lab.barrier()  # the event loop has accepted what came before
    lab.server.signal(signal.SIGTERM)
    wait_refused(lab.server)
    with certificates.client().wrap_socket(raw, server_hostname="127.0.0.1") as late:
        late.sendall(get(b"/late"))
        answer = late.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert lab.server.wait() == 0


@rule("operations.tls", "operations.drain")
def test_idle_connections_whose_clients_do_not_close_are_no_error_at_the_end(
    start: Start, certificates: Certificates
) -> None:
    lab = start(certificates.settings("[timeouts]\nshutdown_idle = 0\n"), certificates.client())
    raw = socket.create_connection(lab.server.address, timeout=8)
    with certificates.client().wrap_socket(raw, server_hostname="127.0.0.1") as idle:
        idle.sendall(get(b"/x"))
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
        lab.server.signal(signal.SIGTERM)
        assert lab.server.wait() == 0  # and the client has not read the end of its connection yet
    assert " ERROR " not in lab.server.log()
