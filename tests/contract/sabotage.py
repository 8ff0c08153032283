"""Loaded by a server under test as its `transform`: names that misbehave, and a fault within the proxy.

What a machine's name server or the proxy's own code would do wrong cannot be had over a socket. The module
replaces both for single names and targets only. It must not be imported by a test.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

from downstream_proxy.target import outgoing_target as real_target

_getaddrinfo = socket.getaddrinfo


def _look_up(host: Any, *args: Any, **options: Any) -> Any:
    if host == "slow.invalid":
        # Longer than any test; the thread is a daemon's, and ends with the process.
        threading.Event().wait(60)
    if host == "broadcast.invalid":
        # A broadcast address is one to which no connection can lead, on any machine.
        host = "255.255.255.255"
    return _getaddrinfo(host, *args, **options)


def _target(target: bytes, *args: Any) -> bytes:
    if target.startswith(b"/mistake/"):
        raise OSError(errno.EINVAL, "secret of the inside at 127.0.0.1")
    return real_target(target, *args)


def install() -> None:
    from downstream_proxy import route

    socket.getaddrinfo = _look_up
    # By name: the module only imports what is replaced here.
    setattr(route, "outgoing_target", _target)  # noqa: B010


async def upper(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A hook that fails when told to."""
    async for piece in body:
        if b"!!fail!!" in piece:
            raise ValueError("the hook failed")
        yield piece.upper()


install()
