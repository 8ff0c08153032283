"""What no rule of the contract asks: what 1,000 cancelled requests leave, memory for a large answer, HTTP/2.

Each probe is one subject in a process of its own and returns one cell.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from .clients.registry import CLIENTS
from .evidence import Cell, one_line
from .http2 import negotiated
from .running import CLOSE, Connection, Request, Scene, request, scene, until
from .subjects import Subject

CANCELS = 1000
WAVE = 50
#: What may be left open towards the origin: a pool keeps some connections for reuse.
LEFT = 10
GROWTH_MIB = 32
SETTLE_SECONDS = 5.0

Probe = Callable[[Subject, bool], Cell]


def _mib(pid: int, field: str) -> float:
    """VmRSS or VmHWM of a process and those below it, in MiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(lines["Pid"]) == pid or int(lines["PPid"]) == pid:
            total += int(lines.get(field, "0 kB").split()[0])
    return total / 1024


async def _hold(conn: Connection, _: Request) -> None:
    await conn.gone()


def leak(subject: Subject, quick: bool) -> Cell:
    """Clients that leave while their request waits at the origin: does it see them leave, and what stays?"""
    cancels = CANCELS // 5 if quick else CANCELS
    with scene(subject) as stage:
        stage.origin.script("/hold", _hold)
        for _ in range(100):
            stage.ask("/warm")
        before = _mib(stage.process.pid, "VmRSS")
        made = 0
        while made < cancels and _wave(stage, made):
            made += WAVE
        until(lambda: not _open(stage), SETTLE_SECONDS)
        left, grown = _open(stage), _mib(stage.process.pid, "VmRSS") - before
        after = stage.ask("/after", timeout=5.0)
    late = f"{left} connections open {SETTLE_SECONDS:.0f} s later"
    detail = f"{made} cancelled: {late}, {grown:+.0f} MiB, then {after}"
    good = made == cancels and left <= LEFT and grown <= GROWTH_MIB and after == "200"
    return Cell(outcome="kept" if good else "broken", detail=detail, rule="probe.leak")


def _open(stage: Scene) -> int:
    return sum(conn.closed_at is None for conn in list(stage.origin.connections))


def _wave(stage: Scene, made: int) -> bool:
    clients: list[socket.socket] = []
    try:
        for _ in range(WAVE):
            clients.append(stage.connect())
            clients[-1].sendall(request("/hold"))
        return until(lambda: len(stage.origin.seen("/hold")) >= made + WAVE, 5.0)
    finally:
        for client in clients:
            client.close()


def memory(subject: Subject, quick: bool) -> Cell:
    """A large answer to a client that reads 1 MiB, rests, and then takes the rest."""
    size = 2**27 if quick else 2**30
    sent = [0]

    async def large(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"x" * 2**16
        while sent[0] < size:
            await conn.send(piece)
            sent[0] += len(piece)

    with scene(subject) as stage:
        stage.origin.script("/large", large)
        for _ in range(20):
            stage.ask("/warm")
        before = _mib(stage.process.pid, "VmRSS")
        with stage.connect(timeout=60.0, receive_buffer=2**16) as client:
            client.sendall(request("/large", CLOSE))
            got = _read(client, 2**20, 60.0)
            time.sleep(2.0)
            ahead = sent[0] - got
            got += _read(client, size, 90.0)
        grown = _mib(stage.process.pid, "VmHWM") - before
    whole = got >= size
    detail = (
        f"{size >> 20} MiB: {grown:.0f} MiB more at the peak, {ahead >> 20} MiB ahead of a resting reader"
    )
    if not whole:
        detail += f"; only {got >> 20} MiB came"
    return Cell(
        outcome="kept" if whole and grown <= GROWTH_MIB else "broken", detail=detail, rule="probe.memory"
    )


def _read(client: socket.socket, most: int, seconds: float) -> int:
    got = 0
    deadline = time.monotonic() + seconds
    buffer = bytearray(2**18)
    while got < most and time.monotonic() < deadline:
        count = client.recv_into(buffer, min(len(buffer), most))
        if not count:
            break
        got += count
    return got


def repeated_fields(subject: Subject, _: bool) -> Cell:
    """Two fields of one name each way, as two lines or one; and two cookies, which must be two (RFC 6265)."""
    heads: list[Request] = []

    async def twice(conn: Connection, asked: Request) -> None:
        heads.append(asked)
        fields = b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
        await conn.send(b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n")

    with scene(subject) as stage:
        stage.origin.script("/twice", twice)
        with stage.connect() as client:
            client.sendall(request("/twice", b"X-Twice: 1\r\nx-twice: 2\r\nConnection: close\r\n"))
            head = _to_end(client).partition(b"\r\n\r\n")[0].lower()
    up = b",".join(heads[0].all(b"x-twice")) if heads else b""
    down = b",".join(line.partition(b":")[2] for line in head.split(b"\r\n") if line.startswith(b"x-twice:"))
    cookies = head.count(b"\r\nset-cookie:")
    asked, answered = (text.replace(b" ", b"").decode() for text in (up, down))
    good = asked == answered == "1,2" and cookies == 2
    got = f"the origin got {asked or 'nothing'}, the user {answered or 'nothing'}"
    detail = f"of 1,2 {got}; {cookies} of 2 cookies"
    return Cell(outcome="kept" if good else "broken", detail=detail, rule="probe.repeated-fields")


def _to_end(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def cookies(subject: Subject, _: bool) -> Cell:
    """A cookie that is set for one user, then a request of another. By name: jars ignore bare addresses."""

    async def login(conn: Connection, _: Request) -> None:
        await conn.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret; Path=/\r\nContent-Length: 0\r\n\r\n")

    with scene(subject, host="localhost") as stage:
        stage.origin.script("/login", login)
        stage.ask("/login")
        stage.ask("/other")
        others = stage.origin.seen("/other")
    sent = b"; ".join(others[0].all(b"cookie")).decode() if others else ""
    if not others:
        return Cell(outcome="error", detail="the second user's request never came", rule="probe.cookies")
    detail = f"the second user's request came with {f'Cookie: {sent}' if sent else 'no cookie'}"
    return Cell(outcome="broken" if sent else "kept", detail=detail, rule="probe.cookies")


def upload(subject: Subject, _: bool) -> Cell:
    """Whether a piece of an upload is at the origin before the next one is sent."""
    with scene(subject) as stage, stage.connect() as client:
        client.sendall(
            b"POST /up HTTP/1.1\r\nHost: proxy\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        came = 0
        for number in range(1, 4):
            client.sendall(b"5\r\nhello\r\n")
            if came < number - 1:
                continue
            came += until(lambda wanted=5 * number: _uploaded(stage) >= wanted, 2.0)  # type: ignore[misc]
        client.sendall(b"0\r\n\r\n")
        status = _to_end(client)[9:12].decode()
    good = came == 3 and status == "200"
    detail = f"{came} of 3 pieces were there before the next was sent; then {status or 'no answer'}"
    return Cell(outcome="kept" if good else "broken", detail=detail, rule="probe.upload")


def _uploaded(stage: Scene) -> int:
    return max((len(asked.framing.data) for asked in stage.origin.seen("/up")), default=0)


def http2(subject: Subject, _: bool) -> Cell:
    """Whether the library speaks HTTP/2 when the server offers it, asked of the library itself."""
    if subject.kind != "client":
        return Cell(outcome="not-offered", detail="asked of client libraries only", rule="probe.http2")
    version, reason = negotiated(CLIENTS[subject.name])
    if version == "HTTP/2.0":
        return Cell(outcome="kept", detail="negotiated over TLS", rule="probe.http2")
    if version:
        return Cell(outcome="not-offered", detail=f"offered h2, it took {version}", rule="probe.http2")
    return Cell(outcome="error", detail=one_line(reason), rule="probe.http2")


PROBES: dict[str, Probe] = {
    "probe.repeated-fields": repeated_fields,
    "probe.cookies": cookies,
    "probe.upload": upload,
    "probe.leak": leak,
    "probe.memory": memory,
    "probe.http2": http2,
}
