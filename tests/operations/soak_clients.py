"""The soak's clients: those of `traffic`, and as many again for what that has not.

It must not know what happens to the proxy, nor which failure may be forgiven.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from ..reliability.caller import Caller, CutError, get
from .soak_account import Account, Accounted, described
from .soak_requests import REFUSED, RIGHT, Made, Requests
from .traffic import Traffic

PLAIN = (
    "GET, kept connection",
    "GET, kept connection, pauses",
    "GET, new connection",
    "POST, kept connection",
    "download of 3 s",
)
Make = Callable[[Requests, random.Random, tuple[str, ...]], Made]


@dataclass(frozen=True)
class Kind:
    """Clients that ask and wait; seconds between two requests."""

    number: int
    pause: tuple[float, float]
    make: Make


ASKING = {
    "download of 8 MiB": Kind(1, (0.3, 1.0), Requests.download),
    "chunked": Kind(1, (0.1, 0.4), Requests.chunked),
    "gzip": Kind(1, (0.1, 0.4), Requests.gzip),
    "range": Kind(1, (0.05, 0.3), Requests.range),
    "304": Kind(1, (0.05, 0.3), Requests.unmodified),
    "404": Kind(1, (0.05, 0.3), Requests.missing),
    "HEAD": Kind(1, (0.05, 0.3), Requests.head),
    "header rules": Kind(1, (0.05, 0.3), Requests.told),
    "upload": Kind(2, (0.1, 0.5), Requests.upload),
    "buffered": Kind(1, (0.1, 0.4), Requests.buffered),
    "upper (transform)": Kind(1, (0.2, 0.6), Requests.upper),
    "events": Kind(3, (0.0, 0.5), Requests.events),
    "mutual TLS": Kind(1, (0.05, 0.3), Requests.mutual),
    "unverified TLS": Kind(1, (0.1, 0.4), Requests.unverified),
    "trust_env": Kind(1, (0.1, 0.4), Requests.environment),
    "limited": Kind(2, (0.0, 0.05), Requests.limited),
    "private address": Kind(1, (0.3, 1.0), Requests.private),
    "admin, main listener": Kind(1, (0.3, 1.0), Requests.hidden),
    "malformed": Kind(1, (0.1, 0.4), Requests.malformed),
}


class Load:
    """All of them. plain, certified: TLS towards the proxy, without and with a client certificate."""

    def __init__(
        self, address: tuple[str, int], account: Account, requests: Requests, tls: tuple[ssl.SSLContext, ...]
    ) -> None:
        self.account = account
        self.requests = requests
        self.address = address
        self.tls = itertools.cycle(tls)
        self.tally = Accounted(account)
        self.traffic = Traffic(address, self.tally, 11, tls[0], PLAIN)
        self.left = 0
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """All at work; behind it they have had their last answers."""
        async with asyncio.TaskGroup() as group, self.traffic.flowing():
            for kind, how in ASKING.items():
                for n in range(how.number):
                    group.create_task(self._asking(kind, how, random.Random(f"{kind}/{n}")))
            for n in range(2):
                group.create_task(self._slow_reader(random.Random(f"slow/{n}")))
                group.create_task(self._slow_upload(random.Random(f"slow upload/{n}")))
                group.create_task(self._leaver(random.Random(f"leaver/{n}")))
                group.create_task(self._stranger(random.Random(f"stranger/{n}")))
                group.create_task(self._affine("sticky", random.Random(f"sticky/{n}")))
                group.create_task(self._affine("keyed", random.Random(f"keyed/{n}")))
            for n in range(4):
                group.create_task(self._socket(random.Random(f"socket/{n}")))
            yield

    def request_id(self, kind: str) -> tuple[str, str]:
        """A new one, and its header field."""
        name = f"soak-{''.join(c for c in kind if c.isalnum())}-{next(self._numbers)}"
        return name, f"X-Request-ID: {name}"

    async def open(self) -> Caller:
        loop = asyncio.get_running_loop()
        host, port = self.address
        _, caller = await loop.create_connection(Caller, host, port, ssl=next(self.tls), server_hostname=host)
        return caller

    def judge(self, kind: str, request: str, seen: str) -> None:
        if seen == RIGHT:
            self.account.right[kind] += 1
        elif seen == REFUSED:
            self.account.refused[kind] += 1
        else:
            self.account.see(kind, request, seen)

    async def _usable(self, kind: str, caller: Caller | None) -> Caller | None:
        """The same connection, or a new one when that is closed; None when there is none to be had."""
        if caller is not None and not caller.closed and not caller.transport.is_closing():
            return caller
        try:
            return await self.open()
        except OSError as error:
            self.account.see(kind, "", f"connecting: {described(error)}")
            return None

    async def _asking(self, kind: str, how: Kind, rng: random.Random) -> None:
        caller: Caller | None = None
        while await self.traffic.rest(rng.uniform(*how.pause)):
            caller = await self._usable(kind, caller)
            if caller is None:
                continue
            name, field = self.request_id(kind)
            request, check = how.make(self.requests, rng, (field,))
            if not await self._ask(kind, name, caller, request, check):
                caller = None
        if caller is not None:
            caller.leave()

    async def _ask(
        self, kind: str, name: str, caller: Caller, request: bytes, check: Callable[..., str]
    ) -> bool:
        """One request; False when the connection is of no more use."""
        try:
            async with asyncio.timeout(40):
                answer = await caller.ask(request)
        except (CutError, OSError, TimeoutError) as error:
            self.account.see(kind, name, described(error))
            caller.leave()
            return False
        self.judge(kind, name, check(answer))
        if answer.one(b"connection").lower() == b"close":
            caller.leave()
            return False
        return True

    async def _affine(self, kind: str, rng: random.Random) -> None:
        """Keeps its cookie, or its name in a header, and with it the origin that answered first."""
        user, key, home = rng.randrange(10**6), "", b""

        def check(answer: object) -> str:
            nonlocal key, home
            status, body, cookie = answer.status, answer.body, answer.one(b"set-cookie")  # type: ignore[attr-defined]
            if status != 200 or body not in self.requests.ports:
                return described(answer)
            if cookie:
                key = "Cookie: " + cookie.partition(b";")[0].decode()
            before, home = home, body
            return RIGHT if before in (b"", body) else "moved"

        caller: Caller | None = None
        while await self.traffic.rest(rng.uniform(0.05, 0.3)):
            caller = await self._usable(kind, caller)
            if caller is None:
                continue
            name, field = self.request_id(kind)
            told = f"X-User: {user}" if kind == "keyed" else key
            fields = (told, field) if told else (field,)
            if not await self._ask(kind, name, caller, get(f"/{kind}/who", *fields), check):
                caller = None
        if caller is not None:
            caller.leave()

    async def _slow_reader(self, rng: random.Random) -> None:
        """Takes a download in sips: what it has not read waits in the origin, not in the proxy."""
        kind = "slow reader"
        while await self.traffic.rest(rng.uniform(0.1, 0.5)):
            caller = await self._usable(kind, None)
            if caller is None:
                continue
            name, field = self.request_id(kind)
            caller.send(get("/large.bin", field))
            try:
                async with asyncio.timeout(60):
                    for _ in range(rng.randrange(10, 30)):
                        caller.transport.pause_reading()
                        await asyncio.sleep(0.2)
                        caller.transport.resume_reading()
                        await asyncio.sleep(0)
                        await caller.head()
                    answer = await caller.answer()
                whole = (
                    hashlib.sha256(answer.body).digest() == hashlib.sha256(self.requests.files.large).digest()
                )
                self.judge(kind, name, RIGHT if whole else described(answer))
            except (CutError, OSError, TimeoutError) as error:
                self.account.see(kind, name, described(error))
            caller.leave()

    async def _slow_upload(self, rng: random.Random) -> None:
        """Longer in sending than the proxy keeps an idle connection to an origin."""
        kind = "slow upload"
        while await self.traffic.rest(rng.uniform(0.1, 0.5)):
            caller = await self._usable(kind, None)
            if caller is None:
                continue
            name, field = self.request_id(kind)
            body = rng.randbytes(rng.randrange(10, 20_000))
            caller.send(get("/echo", f"Content-Length: {len(body)}", field, method="POST"))
            try:
                async with asyncio.timeout(40):
                    for at in range(0, len(body), len(body) // 7):
                        await asyncio.sleep(0.2)
                        await caller.write(body[at : at + len(body) // 7])
                    answer = await caller.answer()
                digest = hashlib.sha256(body).hexdigest().encode()
                self.judge(kind, name, self.requests.whole(digest)(answer))
            except (CutError, OSError, TimeoutError) as error:
                self.account.see(kind, name, described(error))
            caller.leave()

    async def _leaver(self, rng: random.Random) -> None:
        """Leaves in the middle of a download or an upload, or before the answer."""
        kind = "client that leaves"
        while await self.traffic.rest(rng.uniform(0.05, 0.4)):
            caller = await self._usable(kind, None)
            if caller is None:
                continue
            _, field = self.request_id(kind)
            unfinished = get("/echo", "Content-Length: 90000", field, method="POST") + bytes(40_000)
            caller.send(rng.choice((unfinished, get("/download", field), get("/live/events", field))))
            await asyncio.sleep(rng.uniform(0, 0.3))
            caller.leave(reset=rng.random() < 0.5)
            self.account.right[kind] += 1

    def _websocket(self, origin: str, field: str) -> connect:
        host, port = self.address
        name, _, value = field.partition(": ")
        return connect(
            f"wss://{host}:{port}/live/ws",
            ssl=next(self.tls),
            origin=Origin(origin),
            additional_headers={name: value},
            proxy=None,
            ping_interval=None,
            open_timeout=20,
        )

    async def _socket(self, rng: random.Random) -> None:
        """A session of some messages, of all sizes."""
        kind = "WebSocket"
        while await self.traffic.rest(rng.uniform(0.0, 0.5)):
            name, field = self.request_id(kind)
            try:
                async with self._websocket(f"https://{self.address[0]}:{self.address[1]}", field) as socket:
                    for _ in range(rng.randrange(5, 30)):
                        await self._message(kind, name, socket, rng)
                        if not await self.traffic.rest(rng.uniform(0.05, 0.3)):
                            break
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 1006
                self.account.see(kind, name, f"closed {code}")
            except InvalidStatus as refused:
                self.account.see(kind, name, described((refused.response.status_code, refused.response.body)))
            except (OSError, TimeoutError, InvalidHandshake) as error:
                self.account.see(kind, name, described(error))

    async def _message(self, kind: str, name: str, socket: ClientConnection, rng: random.Random) -> None:
        data = rng.randbytes(rng.choice((0, 1, 200, 70_000, 500_000)))
        sent: str | bytes = data if rng.random() < 0.5 else data.hex()[: len(data)]
        await socket.send(sent)
        async with asyncio.timeout(20):
            self.judge(kind, name, RIGHT if await socket.recv() == sent else "another message")

    async def _stranger(self, rng: random.Random) -> None:
        """A WebSocket from a page that may not open one."""
        kind = "WebSocket, wrong Origin"
        while await self.traffic.rest(rng.uniform(0.3, 1.0)):
            name, field = self.request_id(kind)
            try:
                async with self._websocket("https://elsewhere.example", field):
                    self.account.see(kind, name, "let in")
            except InvalidStatus as refused:
                status = refused.response.status_code
                self.judge(kind, name, REFUSED if status == 403 else str(status))
            except (OSError, TimeoutError, InvalidHandshake) as error:
                self.account.see(kind, name, described(error))
