"""`/-/status`: a page for people, live while somebody looks at it, and JSON for programs; one address, told
apart by Accept.

What it is for: choosing the form, and the streams of events that keep pages current: few, and ended when the
process is.
What it must not know: what is in a status, how it looks.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from .answer import Answer, stream, whole
from .message import IncomingRequest
from .status import Status, as_json, status
from .status_page import CONTENT_SECURITY_POLICY, body, page

if TYPE_CHECKING:
    from .state import ProcessState

EVERY = 1.0
"""Seconds between two events of a stream."""

KEPT = 61
"""Earlier statuses that a stream remembers, for the curve."""

MAX_VIEWERS = 16
"""Streams in one process. A viewer more gets one event, and comes again for the next."""

_RETRY, _RETRY_CROWDED = 2000, 5000
_VARY = (b"Vary", b"Accept")
_HTML_FIELDS = (
    _VARY,
    (b"Content-Security-Policy", CONTENT_SECURITY_POLICY.encode()),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)


class StatusEndpoint:
    """Answers for one process, whatever its configuration."""

    def __init__(self, process: ProcessState) -> None:
        self._process = process
        self.viewers = 0

    def answer(self, request: IncomingRequest) -> Answer:
        """A browser names text/html, its EventSource text/event-stream; anybody else gets JSON."""
        accept = b",".join(value for name, value in request.headers if name.lower() == b"accept").lower()
        if b"text/event-stream" in accept:
            return stream(self._events(), "text/event-stream; charset=utf-8", _VARY)
        now = self._now()
        if b"text/html" in accept:
            return whole(200, page(now).encode(), "text/html; charset=utf-8", *_HTML_FIELDS)
        document = json.dumps(as_json(now), indent=2) + "\n"
        return whole(200, document.encode(), "application/json", _VARY)

    def _now(self) -> Status:
        return status(self._process, self._process.exposition.families(), self.viewers)

    async def _events(self) -> AsyncGenerator[bytes, None]:
        crowded = self.viewers >= MAX_VIEWERS
        self.viewers += 1
        earlier: deque[Status] = deque(maxlen=KEPT)
        try:
            yield b"retry: %d\n\n" % (_RETRY_CROWDED if crowded else _RETRY)
            while True:
                earlier.append(self._now())
                yield b"data: %b\n\n" % json.dumps(body(earlier[-1], earlier)).encode()
                if crowded or self._process.draining or self._process.connections.ending is not None:
                    # The page comes again, and sees how the end goes on, or who answers behind it.
                    return
                await asyncio.sleep(EVERY)
        finally:
            self.viewers -= 1
