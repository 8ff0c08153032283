"""Sends inputs to one backend and notes all that can be seen of each, on both sides. It must not judge."""

from __future__ import annotations

import re
import time
import zlib
from dataclasses import dataclass

from downstream_proxy.contract.differences import DIFFERENCES

from ..backends import Server
from ..origin import Connection, Handler, Origin
from ..parse import MalformedError, Pairs, TruncatedError
from ..recorded import Request
from ..wire import Client
from .inputs import Input
from .meaning import End, Meaning, meaning

SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n"
BARRIER = b"GET /barrier HTTP/1.1\r\nHost: proxy\r\n\r\n"
PLACEHOLDER = b"ORIGIN"
STUCK = "neither an answer nor an end"
PATIENCE = 400  # round trips that an input gets before its client gives up
ANSWER_SECONDS = 8.0  # for an answer that is due
_DETAIL = re.compile(rb', "detail": "[^"]*"')
_FINAL = re.compile(rb"HTTP/1\.1 [2-5]")

# What the downstream answers: one of these, by the bytes it saw. It is what the client has to get.
_FIELDS = b"Server: x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=caf\xe9\r\nX-Empty:\r\nx-lower: \xc3\xa9\r\n"
ANSWERS = (
    b"HTTP/1.1 200 OK\r\n" + _FIELDS + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 201 \r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX-T: a\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not \xe9\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 99\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One response as the client got it."""

    status: int
    reason: bytes
    headers: Pairs
    body: bytes
    interim: tuple[tuple[int, Pairs], ...]


@dataclass(frozen=True)
class Outcome:
    """All that came of one input.

    `broken` says what was wrong with the answers' bytes, `kept` whether the connection served one more
    request, `seen` are the exact bytes of the requests at the downstream, and `whole` tells which of them
    were complete.
    """

    answers: tuple[Answer, ...]
    broken: str
    kept: bool
    seen: tuple[bytes, ...]
    whole: tuple[bool, ...]
    odd: tuple[str, ...]  # what the downstream could not read


class RecordingOrigin(Origin):
    """Answers every request with one of `ANSWERS`."""

    def find(self, target: bytes) -> Handler:
        return self._answer

    async def _answer(self, conn: Connection, request: Request) -> None:
        if request.all(b"expect"):
            await conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = await request.read()
        choice = zlib.crc32(request.head.replace(self.authority, PLACEHOLDER) + content) % len(ANSWERS)
        answer = ANSWERS[0] if request.target in (b"/sentinel", b"/barrier") else ANSWERS[choice]
        if request.method == b"HEAD":
            answer = answer[: answer.rindex(b"\r\n\r\n") + 4] if b"chunked" not in answer else ANSWERS[4]
        await conn.send(answer)
        if b"Connection: close" in answer:
            conn.close()


class Runner:
    """One backend with a downstream of its own."""

    def __init__(self, name: str, server: Server, origin: RecordingOrigin) -> None:
        self.name = name
        self.server = server
        self.origin = origin
        self._barrier = server.connect()

    def close(self) -> None:
        self._barrier.close()

    def run(self, item: Input) -> Outcome:
        meant = meaning(item.data)
        self.origin.requests.clear()
        self.origin.errors.clear()
        self.origin.cut.clear()
        with self.server.connect() as client:
            self._send(client, item, meant)
            answers, broken = _read(client, meant)
        if len(item.pieces) > 1:
            answers = [_timeless(answer) for answer in answers]
        if meant.end in (End.INCOMPLETE, End.MALFORMED) or broken or len(item.pieces) > 1:
            self._settle()
        seen = [r for r in list(self.origin.requests) if r.target != b"/barrier"]
        kept = any(r.target == b"/sentinel" for r in seen)
        if kept and answers:
            answers.pop()
        seen = [r for r in seen if r.target != b"/sentinel"]
        if len(item.pieces) > 1 and "broken-off" in DIFFERENCES:
            seen = [request for request in seen if request.complete]
        odd = [f"{type(error).__name__}: {error}" for error in self.origin.errors]
        odd += [f"cut head {bytes(conn.received)!r}" for conn in self.origin.cut]
        return Outcome(
            tuple(answers),
            broken,
            kept,
            tuple(self._exact(r, item) for r in seen),
            tuple(r.complete for r in seen),
            tuple(odd),
        )

    def _exact(self, request: Request, item: Input) -> bytes:
        """The request's bytes; those of a cut input as if its content had come in one chunk."""
        raw = bytes(request.raw)
        if len(item.pieces) > 1 and "chunk-sizes" in DIFFERENCES and request.framing.kind == "chunked":
            content = b"%x\r\n%b\r\n" % (len(request.body), request.body) if request.body else b""
            raw = request.head + content + b"0\r\n\r\n"
        return raw.replace(self.origin.authority, PLACEHOLDER)

    def _send(self, client: Client, item: Input, meant: Meaning) -> None:
        """Sends the input such that the connection ends without a time-out, whatever becomes of it."""
        for piece in item.pieces[:-1]:
            client.send(piece)
            self._pass(2)
        last = item.pieces[-1]
        if meant.end is End.INCOMPLETE:
            client.send(last)
        else:
            client.send(last + SENTINEL)
        if meant.end in (End.INCOMPLETE, End.MALFORMED):
            self._until_dealt_with(client, meant)
            if not (client.eof or client.refused_bytes):
                client.half_close()

    def _until_dealt_with(self, client: Client, meant: Meaning) -> None:
        """Until everything is done that will be done with what was sent.

        Answers still to come are waited for, as a half-close would take them back (failures.half-close); then
        plain requests pass the time for what has none.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while not client.eof and len(_FINAL.findall(client.received)) < len(meant.requests):
            if not client.readable(max(0.0, deadline - time.monotonic())):
                break
            client._fill()
        for _ in range(PATIENCE):
            self._pass(1)
            while not client.eof and client.readable(0):
                client._fill()
            heads = len([r for r in list(self.origin.requests) if r.target != b"/barrier"])
            answered = len(_FINAL.findall(client.received)) >= len(meant.requests)
            if client.eof or (meant.end is End.INCOMPLETE and answered and heads >= len(meant.methods)):
                break
        self._pass(1)

    def _pass(self, times: int) -> None:
        """So many round trips of a plain request, through the proxy to the downstream and back."""
        for _ in range(times):
            try:
                self._barrier.send(BARRIER).read_response()
            except TruncatedError:
                # It was idle for longer than the server keeps such connections; a busy machine makes that so.
                self._barrier = self.server.connect()
                self._barrier.send(BARRIER).read_response()
        if len(self._barrier.received) > 1_000_000:
            self._barrier.close()
            self._barrier = self.server.connect()

    def _settle(self) -> None:
        """Waits until nothing can reach the downstream any more; a cut request's connection has to end."""
        self._pass(1)
        for request in list(self.origin.requests):
            if not request.complete:
                self.origin.wait_closed(request.conn)


def _read(client: Client, meant: Meaning) -> tuple[list[Answer], str]:
    """All answers up to the connection's end, and what was wrong with them."""
    answers: list[Answer] = []
    # Also a bad head may begin with HEAD, and an answer to that has no content.
    methods = [*meant.methods, b"HEAD" if meant.rest.startswith(b"HEAD ") else b"GET"]
    while True:
        method = methods[len(answers)] if len(answers) < len(methods) else b"GET"
        try:
            if not client.unread and not client.eof and not client.readable(4):
                return answers, STUCK
            response = client.read_response(method)
        except TruncatedError as error:
            return answers, "" if not client.unread else str(error)
        except (MalformedError, TimeoutError) as error:
            return answers, f"{type(error).__name__}: {error}"
        interim = tuple((r.status, r.headers) for r in response.interim)
        answers.append(Answer(response.status, response.reason, response.headers, response.body, interim))


def _timeless(answer: Answer) -> Answer:
    """The answer without what the contract lets hang on when the pieces of a cut input arrive."""
    interim = tuple(one for one in answer.interim if one[0] != 100 or "continue" not in DIFFERENCES)
    headers, body = answer.headers, answer.body
    if "detail" in DIFFERENCES and (b"Content-Type", b"application/problem+json") in headers:
        body = _DETAIL.sub(b"", body)
        headers = [pair for pair in headers if pair[0] != b"Content-Length"]
    return Answer(answer.status, answer.reason, headers, body, interim)
