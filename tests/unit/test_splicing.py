"""Bytes from one socket to another inside the kernel: all of them, in order, whatever either end does."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

import pytest
from downstream_proxy.http1.splicing import Channel

pytestmark = pytest.mark.skipif(not hasattr(os, "splice"), reason=f"{sys.platform} has no splice")

DATA = os.urandom(1 << 16)


class Ends:
    """Two connections; what is sent to `sender` can be moved from `source` to `target`, for `reader`."""

    def __init__(self) -> None:
        self.sender, self.source = _connected()
        self.target, self.reader = _connected()
        self.channel = Channel(os.pipe2(os.O_NONBLOCK))

    def move(self, most: int = 1 << 20) -> tuple[int, bytes]:
        return self.channel.move(self.source.fileno(), self.target.fileno(), most)

    def send(self, data: bytes) -> None:
        """Back when all has arrived."""
        self.sender.sendall(data)
        while len(self.source.recv(len(data), socket.MSG_PEEK)) < len(data):
            pass

    def close(self) -> None:
        for sock in (self.sender, self.source, self.target, self.reader):
            sock.close()


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    made.target.setblocking(False)
    yield made
    made.close()


def test_what_waits_is_moved(ends: Ends) -> None:
    ends.send(DATA)
    ends.source.setblocking(False)
    assert ends.move() == (len(DATA), b"")
    assert ends.reader.recv(len(DATA), socket.MSG_WAITALL) == DATA


def test_no_more_than_asked_for_is_moved(ends: Ends) -> None:
    ends.send(DATA)
    assert ends.move(1000) == (1000, b"")
    assert ends.source.recv(len(DATA)) == DATA[1000:]


@pytest.mark.parametrize("how", ["silent", "ended", "reset"])
def test_source_that_gives_nothing_moves_nothing(ends: Ends, how: str) -> None:
    ends.source.setblocking(False)
    if how == "reset":
        ends.sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how != "silent":
        ends.sender.close()
    assert ends.move() == (0, b"")


def test_what_the_target_has_no_room_for_comes_back(ends: Ends) -> None:
    moved = bytearray()
    rest = b""
    while not rest:
        ends.send(DATA)
        taken, rest = ends.move(len(DATA))
        assert taken == len(DATA)
        moved += DATA
    ends.target.close()
    seen = bytearray()
    while piece := ends.reader.recv(1 << 20):
        seen += piece
    assert bytes(seen) + rest == bytes(moved)


def test_channel_is_empty_after_a_target_that_is_broken(ends: Ends) -> None:
    ends.reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends.reader.close()
    ends.send(DATA)
    assert ends.move() == (len(DATA), DATA)
    ends.target.close()
    ends.target, ends.reader = _connected()
    ends.send(b"next")
    ends.source.setblocking(False)
    assert ends.move() == (4, b"")
    assert ends.reader.recv(4) == b"next"
