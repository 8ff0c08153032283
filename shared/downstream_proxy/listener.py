"""Listening sockets, bound before a backend starts so that a failure is one clear line.

What it is for: turning host and port, a Unix path or inherited descriptors into a list of listening sockets
that one process or several workers accept from.
What it must not know: HTTP, TLS, which backend will use the sockets.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from .peers import probe
from .settings import Settings
from .systemd import listen_fds

_ADMIN_BACKLOG = 128


class ListenError(Exception):
    """The listener cannot be opened; the message is one line that says what to do."""


def bind(settings: Settings) -> list[socket.socket]:
    """Listening, non-blocking, close-on-exec sockets for `settings`; ListenError when that is impossible.

    Sockets that systemd opened for this process win over host, port and path, and `fd` over those.
    A host name with several addresses gives a socket for each, all on one port (also when `port` is 0).
    """
    sockets = _bound(settings)
    for sock in sockets:
        probe(sock)
    return sockets


def _bound(settings: Settings) -> list[socket.socket]:
    if settings.fd is not None:
        hint = "give --fd the number of a listening socket that the parent process passed on"
        return [_inherited(settings.fd, hint)]
    if passed := listen_fds():
        return [_inherited(fd, "the .socket unit needs ListenStream= and Accept=no") for fd in passed]
    if settings.uds is not None:
        return [_unix(settings.uds, settings.backlog)]
    return _tcp(settings.host, settings.port, settings.backlog)


def bind_admin(settings: Settings) -> list[socket.socket]:
    """The same for `admin.listen`; none when that is not set. ":PORT" is all addresses of the machine."""
    if settings.admin.listen is None:
        return []
    host, _, port = settings.admin.listen.rpartition(":")
    return _tcp(host.strip("[]"), int(port), _ADMIN_BACKLOG, ("admin.listen", "port in admin.listen"))


def close(sockets: list[socket.socket], settings: Settings, keep_path: bool = False) -> None:
    """Close the sockets and remove the Unix path that `bind` made; keep_path: somebody else listens there."""
    for sock in sockets:
        sock.close()
    if settings.uds is not None and settings.fd is None and not keep_path:
        with contextlib.suppress(OSError):
            os.unlink(settings.uds)


def describe(sock: socket.socket, scheme: str = "http") -> str:
    """Where the socket listens, as a URL: `http://127.0.0.1:8080`, `http+unix:/run/p.sock`."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"{scheme}+unix:{os.fsdecode(name)}"
    host, port = name[0], name[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _tcp(
    host: str, port: int, backlog: int, names: tuple[str, str] = ("--host", "--port")
) -> list[socket.socket]:
    """names: how the user has given host and port, for the advice in an error."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else str(error)
        raise ListenError(
            f"cannot listen on {host}: {str(reason).lower()}; give {names[0]} an address of this machine"
        ) from None
    sockets: list[socket.socket] = []
    try:
        # getaddrinfo may name one address twice (two lines in /etc/hosts); dict keeps the order.
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sock = _open_tcp(family, (address[0], chosen, *address[2:]), backlog)
            if sock is not None:
                sockets.append(sock)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ListenError(_explain(error, host, port, names)) from None
    if not sockets:
        raise ListenError(f"cannot listen on {host}: this machine has none of its address families")
    return sockets


def _open_tcp(family: int, address: tuple[str | int, ...], backlog: int) -> socket.socket | None:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:  # a kernel without IPv6; the other addresses are enough
            return None
        raise
    try:
        # A restart must not wait for the old connections' TIME_WAIT; it does not allow two listeners.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Without this "::" would also take the IPv4 port, and a list with both fails on the second.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _unix(path: str, backlog: int) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(path)
        # As uvicorn does: a web server in front runs as another user. Protect the folder to restrict it.
        os.chmod(path, 0o666)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise ListenError(_explain(error, path, None)) from None
    return sock


def _remove_stale(path: str) -> None:
    """Unlink a socket that nobody serves any more; refuse to touch anything else."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(
            f"cannot listen on {path}: the file exists and is no socket; remove it or choose another --uds"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            return
        except OSError:
            return  # bind() will say what is wrong
    raise ListenError(
        f"cannot listen on {path}: another process serves it; stop that one or choose another --uds"
    )


def _inherited(fd: int, hint: str) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise ListenError(f"cannot use file descriptor {fd}: {str(error.strerror).lower()}; {hint}") from None
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.detach()
        raise ListenError(f"cannot use file descriptor {fd}: it is not a listening socket; {hint}")
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def _explain(
    error: OSError, where: str, port: int | None, names: tuple[str, str] = ("--host", "--port")
) -> str:
    place = where if port is None else f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
    advice = {
        errno.EADDRINUSE: f"the address is in use; choose another {names[1]}, "
        f"or stop what listens there (ss -ltnp sport = :{port})",
        errno.EACCES: "permission denied; use a port above 1023 or grant CAP_NET_BIND_SERVICE",
        errno.EADDRNOTAVAIL: f"no interface of this machine has that address; check {names[0]}",
        errno.ENOENT: "its folder does not exist; create it or choose another --uds",
    }.get(error.errno or 0)
    if port is None and error.errno == errno.EACCES:
        advice = "permission denied; choose a folder this user may write to"
    return f"cannot listen on {place}: {advice or str(error.strerror or error).lower()}"
