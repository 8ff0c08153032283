"""What a transport does not tell of its peer, on sockets of both event loops."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import uvloop
from downstream_proxy.peers import Flow, Unread, untaken

SECONDS = 0.4
LARGE = bytes(32 << 20)


@dataclass
class Ends:
    """Our transport, watched, and the peer's plain socket."""

    transport: asyncio.Transport
    peer: socket.socket
    flow: Flow
    unread: Unread
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stuck: asyncio.Event = field(default_factory=asyncio.Event)


class Watched(asyncio.Protocol):
    flow: Flow | None = None

    def pause_writing(self) -> None:
        assert self.flow is not None
        self.flow.full()

    def resume_writing(self) -> None:
        assert self.flow is not None
        self.flow.room()

    def connection_lost(self, exc: BaseException | None) -> None:
        assert self.flow is not None
        self.flow.lost()


Scenario = Callable[[Ends], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario between two connected ends."""

    async def played(scenario: Scenario) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            sock, _ = listener.accept()
        peer.setblocking(False)
        transport, protocol = await loop.create_connection(Watched, sock=sock)
        unread = Unread()
        ended, stuck = asyncio.Event(), asyncio.Event()
        flow = protocol.flow = Flow(transport, loop, unread, SECONDS, ended.set, stuck.set)
        async with asyncio.timeout(10):
            await scenario(Ends(transport, peer, flow, unread, ended, stuck))
        peer.close()
        transport.abort()
        await asyncio.sleep(0)

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(played(scenario))

    return run


Play = Callable[[Scenario], None]


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


ENDS = {"close": socket.socket.close, "reset": reset, "half-close": lambda s: s.shutdown(socket.SHUT_WR)}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_end_behind_unread_bytes_is_noticed(play: Play, end: Callable[[socket.socket], None]) -> None:
    async def scenario(ends: Ends) -> None:
        ends.flow.stop_reading()
        ends.peer.send(bytes(1000))
        await asyncio.sleep(0.25)
        assert not ends.ended.is_set()
        began = time.monotonic()
        end(ends.peer)
        await ends.ended.wait()
        assert time.monotonic() - began < 0.25

    play(scenario)


def test_peer_that_is_read_again_is_not_watched(play: Play) -> None:
    async def scenario(ends: Ends) -> None:
        ends.flow.stop_reading()
        ends.flow.go_on_reading()
        ends.peer.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.25)
        assert not ends.ended.is_set()

    play(scenario)


@pytest.mark.parametrize("how", ["full", "closed"])
def test_peer_that_takes_nothing_is_stuck(play: Play, how: str) -> None:
    async def scenario(ends: Ends) -> None:
        began = time.monotonic()
        ends.transport.write(LARGE)
        if how == "closed":
            ends.flow.room()  # a little room, as while the last bytes leave
            ends.flow.close()
        await ends.stuck.wait()
        assert SECONDS * 0.9 < time.monotonic() - began < SECONDS * 1.5
        assert untaken(ends.transport) > len(LARGE) // 4

    play(scenario)


def test_peer_that_takes_a_little_at_a_time_is_not_stuck(play: Play) -> None:
    async def scenario(ends: Ends) -> None:
        ends.transport.write(LARGE)
        for _ in range(8):
            await asyncio.sleep(SECONDS / 4)
            assert ends.peer.recv(1 << 18)
        assert not ends.stuck.is_set()
        assert ends.transport.get_write_buffer_size(), "all was taken: nothing was tested"

    play(scenario)


def test_room_ends_the_wait(play: Play) -> None:
    async def scenario(ends: Ends) -> None:
        ends.flow.full()
        ends.flow.room()
        await asyncio.sleep(SECONDS * 1.5)
        assert not ends.stuck.is_set()

    play(scenario)
