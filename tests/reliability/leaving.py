"""Clients that leave at every stage: the downstream must see it, and nothing may be left over."""

from __future__ import annotations

import asyncio
import re
import select
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .bench import Bench, Factory, percentile, until
from .caller import Caller, CutError, get
from .handshake import HANDSHAKE, SWITCHING
from .lab import Visit, ok, stall

SEEN_WITHIN = 0.25
"""Seconds from the client's close to the downstream's."""

AT_ONCE = 16
"""Rounds in progress at one time."""

PIECE = b"x" * 16384
SIZE = "Content-Length: 999999999"

UNREAD = "unread-upload"
"""An upload that the downstream does not take: megabytes in each round, so there are fewer."""


def rounds_of(stage: str, rounds: int) -> int:
    return max(1, rounds // 10) if stage == UNREAD else rounds


@dataclass
class Tally:
    """What happened in the rounds of one stage."""

    stage: str
    rounds: int = 0
    resets: int = 0
    reached: int = 0
    delays: list[float] = field(default_factory=list)
    back_after: float = 0.0
    logged: int = 0

    def row(self) -> tuple[str, ...]:
        slowest = f"{max(self.delays) * 1000:.0f} ms" if self.delays else "-"
        p99 = f"{percentile(self.delays, 0.99) * 1000:.0f} ms" if self.delays else "-"
        return self.stage, str(self.rounds), str(self.reached), p99, slowest, str(self.logged)


async def _chunks(visit: Visit) -> None:
    """Content without end, at a rate that leaves the machine time to measure."""
    visit.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await visit.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
        await visit.quiet(0.002)


async def _quiet(visit: Visit) -> None:
    """An event stream with one event."""
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    visit.write(b"9\r\ndata: 1\n\n\r\n")
    await visit.conn.gone.wait()


async def _soon(visit: Visit) -> None:
    """Answers at about the moment at which the client leaves, and takes its time for the rest."""
    await visit.quiet(float(visit.query["after"]))
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    await visit.conn.gone.wait()


async def _deaf(visit: Visit) -> None:
    """Reads nothing of the body until the kernel knows that the other side is gone."""
    transport = visit.conn.transport
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    transport.pause_reading()
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    await until(lambda: bool(poll.poll(0)))
    visit.conn.gone_at = time.monotonic()
    visit.conn.reset()


async def _tunnel(visit: Visit) -> None:
    """Switches protocols and says hello."""
    visit.write(SWITCHING)
    await visit.conn.gone.wait()


@contextmanager
def _nobody_accepts() -> Iterator[int]:
    """The port of a listener whose backlog is full: connecting to it hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            with suppress(BlockingIOError):
                sock.connect(listener.getsockname())
            fillers.append(sock)
        try:
            yield int(listener.getsockname()[1])
        finally:
            for sock in fillers:
                sock.close()


def settings(silent_port: int) -> str:
    return f"""
[downstreams.queued]
prefix = "/queued"
url = "http://$ORIGIN"
pool = {{ max_connections = 2, max_queue = 1000 }}
timeouts = {{ pool = 60 }}
[downstreams.connecting]
prefix = "/connecting"
url = "http://127.0.0.1:{silent_port}"
timeouts = {{ connect = 30 }}
[downstreams.handshaking]
prefix = "/handshaking"
url = "https://$ORIGIN"
timeouts = {{ connect = 30 }}
tls = {{ verify = false }}
[downstreams.rest]
url = "http://$ORIGIN"
pool = {{ keep_alive = 0.2 }}
"""


Stay = Callable[[Caller], Awaitable[None]]


async def _nothing(caller: Caller) -> None:
    """Waits for nothing before the random moment."""


async def _some_content(caller: Caller) -> None:
    await caller.head()


async def _upload(caller: Caller) -> None:
    with suppress(CutError):
        for _ in range(4):
            await caller.write(PIECE)


async def _more_than_is_taken(caller: Caller) -> None:
    """Until nothing finds room any more, neither at the downstream nor in the proxy."""
    with suppress(CutError, TimeoutError):
        async with asyncio.timeout(0.2):
            while True:
                await caller.write(PIECE * 16)


async def leaving(factory: Factory) -> list[Tally]:
    """Every stage, one after the other, on one server."""
    with _nobody_accepts() as silent_port:
        async with factory(settings(silent_port)) as bench:
            lab = bench.lab
            for path, behaviour in {
                "/queued": stall,
                "/head": stall,
                "/upload": stall,
                "/unread-upload": _deaf,
                "/download": _chunks,
                "/quiet": _quiet,
                "/before-first-byte": _soon,
                "/websocket": _tunnel,
                "/at-once": ok,
            }.items():
                lab.on(path, behaviour)
            lab.by_number = {}
            await bench.healthy()
            start = bench.descriptors()
            tallies = [
                await _queued(bench),
                await _stage(bench, "connecting", _nothing),
                await _stage(bench, "handshaking", _nothing),
                await _stage(bench, "head", _nothing),
                await _stage(bench, "upload", _upload, SIZE, method="POST"),
                await _stage(bench, UNREAD, _more_than_is_taken, SIZE, method="POST"),
                await _stage(bench, "download", _some_content),
                await _stage(bench, "quiet", _some_content),
                await _stage(bench, "before-first-byte", _nothing),
                await _stage(bench, "websocket", _some_content, *HANDSHAKE),
                await _stage(bench, "at-once", _nothing),
            ]
            await bench.at_rest(start)
            assert not await bench.blamed(), "a downstream is blamed for clients that left"
            await bench.healthy()
            bench.no_traceback()
    return tallies


async def _queued(bench: Bench) -> Tally:
    """Leaving the queue: the downstream must never hear of it."""
    blockers = [await Caller.open(bench.address) for _ in range(2)]
    for n, blocker in enumerate(blockers):
        blocker.send(get(f"/queued?n={-10 - n}"))
    await until(lambda: bench.lab.visits["/queued"] == 2)
    tally = await _stage(bench, "queued", _nothing, in_use=2)
    assert bench.lab.visits["/queued"] == 2, "the downstream got requests of clients that had left the queue"
    for blocker in blockers:
        blocker.leave()
    await bench.at_rest()
    tally.logged += _logged(bench, "queued")[0] - 2
    return tally


async def _stage(
    bench: Bench, stage: str, stay: Stay, *fields: str, method: str = "GET", in_use: int = 0
) -> Tally:
    """The rounds of one stage. `in_use`: places that others hold all the time."""
    tally = Tally(stage)
    numbers = iter(range(rounds_of(stage, bench.scale.rounds)))
    assert bench.lab.by_number is not None
    bench.lab.by_number.clear()

    async def rounds() -> None:
        for n in numbers:
            await _round(bench, tally, stage, n, stay, fields, method)

    async with asyncio.TaskGroup() as group:
        # One that fills the kernel's buffers each time leaves the machine no time to measure.
        for _ in range(4 if stage == UNREAD else AT_ONCE):
            group.create_task(rounds())
    expected = {
        "downstream_proxy_inflight": in_use,
        "downstream_proxy_connections": in_use,
        "downstream_proxy_tasks": in_use,
        'downstream_proxy_pool{downstream="queued",state="in_use"}': in_use,
    }
    began = time.monotonic()
    while (busy := await bench.busy()) != {k: v for k, v in expected.items() if v}:
        assert time.monotonic() - began < 2.0, f"{stage}: still busy with {busy}"
        await asyncio.sleep(0.01)
    tally.back_after = time.monotonic() - began
    if tally.delays:
        # One in a hundred may be late for the measuring process's sake, which shares the machine.
        p99, slowest = percentile(tally.delays, 0.99), max(tally.delays)
        assert p99 < SEEN_WITHIN, f"{stage}: the downstream saw the close after {p99:.3f} s (p99)"
        assert slowest < 4 * SEEN_WITHIN, f"{stage}: the downstream saw a close after {slowest:.3f} s"
    if stage == "queued":
        return tally
    tally.logged, others = _logged(bench, stage)
    if stage == "websocket":
        # The handshake was answered: 101, unless the client was gone before.
        others = [line for line in others if " 101 " not in line]
    if stage == "at-once":
        others = [line for line in others if " 200 " not in line]
    else:
        assert tally.reached or stage in ("connecting", "handshaking"), (
            f"{stage}: no request reached the downstream"
        )
    assert not others, f"{stage}: not logged as 499: {others[:3]}"
    if stage not in ("websocket", "at-once"):
        assert tally.rounds - tally.resets <= tally.logged <= tally.rounds, tally
    return tally


async def _round(
    bench: Bench, tally: Tally, stage: str, n: int, stay: Stay, fields: tuple[str, ...], method: str
) -> None:
    """One client that comes, and leaves at a random moment with FIN or RST."""
    after = bench.random.choice((0.0, 0.001, bench.random.uniform(0.0, 0.02)))
    # Behind what finds no room a FIN does not leave the client's own kernel.
    reset = stage == UNREAD or bench.random.random() < 0.5
    caller = await Caller.open(bench.address)
    caller.keep = False
    caller.send(get(f"/{stage}?n={n}&after={after:.4f}", *fields, method=method))
    async with asyncio.timeout(10):
        await stay(caller)
    await asyncio.sleep(after)
    caller.leave(reset)
    tally.rounds += 1
    tally.resets += reset
    if stage in ("queued", "connecting", "handshaking", "at-once"):
        return
    # It may be on its way to the downstream just now, or never go there.
    assert bench.lab.by_number is not None
    until = time.monotonic() + SEEN_WITHIN
    while (visit := bench.lab.by_number.get(n)) is None:
        if time.monotonic() > until or reset or bench.random.random() < 0.02:
            return
        await asyncio.sleep(0.001)
    tally.reached += 1
    async with asyncio.timeout(5):
        await visit.conn.gone.wait()
    tally.delays.append(max(0.0, visit.conn.gone_at - max(caller.left_at, visit.at)))


def _logged(bench: Bench, stage: str) -> tuple[int, list[str]]:
    """How many requests of the stage were logged as 499; and the lines of its others."""
    lines = [line for line in bench.no_traceback().splitlines() if f" /{stage}" in line]
    others = [line for line in lines if not re.search(r'" 499 .*error=client-gone', line)]
    return len(lines) - len(others), others
