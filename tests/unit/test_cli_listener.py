"""Listening sockets: what is opened, and one line for what cannot be."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from downstream_proxy import listener
from downstream_proxy.settings import Admin, Settings


@pytest.fixture
def bound() -> Iterator[Callable[..., list[socket.socket]]]:
    opened: list[tuple[list[socket.socket], Settings]] = []

    def bind(**values: Any) -> list[socket.socket]:
        settings = Settings(**({"port": 0} | values))
        sockets = listener.bind(settings)
        opened.append((sockets, settings))
        return sockets

    yield bind
    for sockets, settings in opened:
        listener.close(sockets, settings)


def accepts(address: Any, family: socket.AddressFamily = socket.AF_INET) -> bool:
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0


def answers(host: str, port: int, *addresses: str) -> Callable[..., list[Any]]:
    """A getaddrinfo that gives these addresses for any host."""

    def find(_host: str, wanted: int, **_: Any) -> list[Any]:
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        rest = {socket.AF_INET6: (0, 0), socket.AF_INET: ()}
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, wanted, *rest[kind]))
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    return find


def test_the_sockets_listen_at_once_and_are_not_inherited(bound: Callable[..., list[socket.socket]]) -> None:
    (sock,) = bound()
    assert accepts(sock.getsockname())
    assert not sock.get_inheritable()
    assert not sock.getblocking()


def test_the_admin_listener_takes_the_address_of_its_setting() -> None:
    assert listener.bind_admin(Settings()) == []
    for text, host in (("127.0.0.1:0", "127.0.0.1"), (":0", "0.0.0.0")):
        sockets = listener.bind_admin(Settings(admin=Admin(listen=text)))
        assert host in [sock.getsockname()[0] for sock in sockets]
        assert accepts(("127.0.0.1", sockets[0].getsockname()[1]))
        for sock in sockets:
            sock.close()


def test_a_taken_admin_address_is_told_by_the_name_of_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(listener.ListenError, match=rf"127.0.0.1:{port}: .* another port in admin.listen"):
            listener.bind_admin(Settings(admin=Admin(listen=f"127.0.0.1:{port}")))


def test_a_name_with_two_addresses_listens_on_both_with_one_port(
    bound: Callable[..., list[socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("two.test", 0, "127.0.0.1", "127.0.0.2", "127.0.0.1"))
    sockets = bound(host="two.test")
    assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1", "127.0.0.2"]
    assert len({sock.getsockname()[1] for sock in sockets}) == 1


def test_both_families_share_a_port(
    bound: Callable[..., list[socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    monkeypatch.setattr(socket, "getaddrinfo", answers("both.test", 0, "::", "0.0.0.0"))
    six, four = bound(host="both.test")
    assert six.getsockname()[1] == four.getsockname()[1]
    assert accepts(("::1", six.getsockname()[1]), socket.AF_INET6)


def test_a_machine_without_one_family_serves_the_other(
    bound: Callable[..., list[socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket

    def without_ipv6(family: int = -1, *arguments: Any, **named: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")
        return real(family, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answers("both.test", 0, "::1", "127.0.0.1"))
    monkeypatch.setattr("downstream_proxy.listener.socket.socket", without_ipv6)
    (sock,) = bound(host="both.test")
    assert sock.getsockname()[0] == "127.0.0.1"


def test_when_one_of_two_addresses_fails_none_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("two.test", 0, "127.0.0.1", "192.0.2.1"))
    made: list[socket.socket] = []
    real = listener._open_tcp

    def remembered(*arguments: Any) -> socket.socket | None:
        sock = real(*arguments)
        assert sock is not None
        made.append(sock)
        return sock

    monkeypatch.setattr(listener, "_open_tcp", remembered)
    with pytest.raises(listener.ListenError, match="no interface of this machine has that address"):
        listener.bind(Settings(host="two.test", port=0))
    assert [sock.fileno() for sock in made] == [-1]


def test_a_port_in_time_wait_can_be_bound_again(bound: Callable[..., list[socket.socket]]) -> None:
    (sock,) = bound()
    port = sock.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(True)
    served, _ = sock.accept()
    served.close()  # this end closes first and waits
    client.close()
    sock.close()
    bound(port=port)


def test_a_unix_socket_is_open_to_all_users_and_removed_at_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")
    settings = Settings(uds=path)
    sockets = listener.bind(settings)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    assert accepts(path, socket.AF_UNIX)
    assert listener.describe(sockets[0], "https") == f"https+unix:{path}"
    listener.close(sockets, settings)
    assert not os.path.exists(path)


def test_a_stale_unix_socket_is_replaced(bound: Callable[..., list[socket.socket]], tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    bound(uds=path)
    assert accepts(path, socket.AF_UNIX)


def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "p.sock")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(path)
        alive.listen()
        with pytest.raises(listener.ListenError, match="another process serves it"):
            listener.bind(Settings(uds=path))
        assert accepts(path, socket.AF_UNIX)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("data")
    with pytest.raises(listener.ListenError, match="the file exists and is no socket"):
        listener.bind(Settings(uds=str(path)))
    assert path.read_text() == "data"


def test_a_unix_path_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(listener.ListenError, match="path too long"):
        listener.bind(Settings(uds=str(tmp_path / ("x" * 200))))


def test_an_inherited_listening_socket_is_served(bound: Callable[..., list[socket.socket]]) -> None:
    with socket.socket() as parent:
        parent.bind(("127.0.0.1", 0))
        parent.listen()
        (sock,) = bound(fd=os.dup(parent.fileno()))
        assert sock.getsockname() == parent.getsockname()
        assert not sock.getblocking()


def test_an_inherited_descriptor_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    with socket.socket() as silent:
        with pytest.raises(listener.ListenError, match="it is not a listening socket"):
            listener.bind(Settings(fd=silent.fileno()))
        assert silent.fileno() >= 0
        silent.bind(("127.0.0.1", 0))  # still open: the caller's descriptor is not ours to close
    with (tmp_path / "file").open("w") as file, pytest.raises(listener.ListenError, match="non-socket"):
        listener.bind(Settings(fd=file.fileno()))


def test_addresses_are_described_as_urls(bound: Callable[..., list[socket.socket]]) -> None:
    (sock,) = bound()
    assert listener.describe(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"
