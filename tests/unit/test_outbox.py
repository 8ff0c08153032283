"""Small messages leave at the end of the loop's turn: all of them, in order, and before anything later."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator

import pytest
from aiohttp import StreamReader
from downstream_proxy.errors import ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.http1.outbox import ALONE, FEW, MOST_WAITING, Outbox, outbox
from downstream_proxy.http1.output import SMALL, Output
from downstream_proxy.http1.request_head import RequestHead
from downstream_proxy.http1.server_connection import ServerConnection
from downstream_proxy.settings import Settings

Pair = tuple[asyncio.Transport, socket.socket]


@pytest.fixture
async def pairs() -> AsyncIterator[list[Pair]]:
    """As many connections as are worth waiting for: a transport and the socket at its other end."""
    loop = asyncio.get_running_loop()
    made: list[Pair] = []
    for _ in range(FEW):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=ours)
        made.append((transport, theirs))
    yield made
    for transport, theirs in made:
        transport.abort()
        theirs.close()
    await asyncio.sleep(0)


def outputs(pairs: list[Pair]) -> list[Output]:
    shared = outbox(asyncio.get_running_loop())
    return [Output(transport, outbox=shared) for transport, _ in pairs]


def received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return b""


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_small_messages_of_a_turn_leave_together_at_its_end(pairs: list[Pair]) -> None:
    for number, output in enumerate(outputs(pairs)):
        output.send_whole((b"message ", b"%d" % number))
        assert output.holds
    assert [received(theirs) for _, theirs in pairs] == [b""] * FEW
    await turn()
    assert [received(theirs) for _, theirs in pairs] == [b"message %d" % number for number in range(FEW)]


@pytest.mark.parametrize("later", [b"later", b"x" * (SMALL + 1)])
async def test_what_is_sent_later_takes_the_waiting_message_along(pairs: list[Pair], later: bytes) -> None:
    output = outputs(pairs)[0]
    output.send_whole((b"first ",))
    output.send_whole((later,))
    assert not output.holds
    await turn()
    assert received(pairs[0][1]) == b"first " + later


async def test_large_message_leaves_at_once(pairs: list[Pair]) -> None:
    output = outputs(pairs)[0]
    output.send_whole((b"x" * SMALL, b"y"))
    assert len(received(pairs[0][1])) == SMALL + 1


async def test_end_comes_behind_the_waiting_message(pairs: list[Pair]) -> None:
    transport, theirs = pairs[0]
    output = outputs(pairs)[0]
    output.send_whole((b"last",))
    output.end()
    assert not output.holds
    await turn()
    assert received(theirs) == b"last"
    assert theirs.recv(1) == b""
    assert not transport.is_closing()


async def test_waiting_message_of_a_connection_that_is_closed_meanwhile_goes_nowhere(
    pairs: list[Pair],
) -> None:
    transport, theirs = pairs[0]
    output = outputs(pairs)[0]
    output.send_whole((b"lost",))
    transport.abort()
    await turn()
    assert not output.holds
    assert theirs.recv(1) == b""


async def test_without_an_outbox_nothing_waits(pairs: list[Pair]) -> None:
    Output(pairs[0][0]).send_whole((b"now",))
    assert received(pairs[0][1]) == b"now"


async def test_messages_that_waited_for_nobody_do_not_wait_again_soon(pairs: list[Pair]) -> None:
    output = outputs(pairs)[0]
    output.send_whole((b"alone",))
    await turn()
    assert received(pairs[0][1]) == b"alone"
    for _ in range(ALONE):
        output.send_whole((b"now",))
        assert received(pairs[0][1]) == b"now"
    output.send_whole((b"once more",))
    assert output.holds


def test_an_outbox_goes_with_its_loop() -> None:
    loop = asyncio.new_event_loop()
    outbox(loop)
    gone = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert gone() is None


async def test_no_more_wait_than_memory_is_bounded_by() -> None:
    class Silent:
        def release(self) -> None: ...

    box = Outbox()
    taken = [box.takes(Silent()) for _ in range(MOST_WAITING + 1)]
    assert taken == [True] * MOST_WAITING + [False]
    await turn()
    assert box.takes(Silent())


class Owner:
    """Takes the request. Implements ConnectionOwner."""

    head: RequestHead

    def request_received(self, head: RequestHead, body: StreamReader | None) -> None:
        self.head = head

    def client_gone(self, error: ProxyError | None = None) -> None: ...


@pytest.mark.parametrize("how", ["client ends", "close", "refusal"])
async def test_whole_answer_is_not_lost_by_an_end_in_the_same_turn(pairs: list[Pair], how: str) -> None:
    transport, theirs = pairs[0]
    state = Forwarder(Settings(downstream="http://127.0.0.1:9")).state
    owner, loop = Owner(), asyncio.get_running_loop()
    connection = ServerConnection(owner, state.rules, state.connections, transport, loop, alone=True)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    writer = connection.writer(owner.head)
    writer.begin(204, None, [], 0)
    writer.finish()
    writer.flush()
    assert connection.output.holds
    if how == "client ends":
        connection.eof_received()
        transport.close()  # as the loop does then
    elif how == "close":
        connection.close()
    else:
        connection.response_done(keep_alive=True)
        connection.data_received(b"not HTTP\r\n\r\n")
    await turn()
    answers = received(theirs)
    assert answers.startswith(b"HTTP/1.1 204")
    assert answers.count(b"HTTP/1.1 ") == (2 if how == "refusal" else 1)
    connection.connection_lost()
