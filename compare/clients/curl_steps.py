"""Reads an answer of pycurl step by step: its own `perform` pushes content at callbacks until all has come.

A CurlMulti with one handle in it does a piece of the work per call, so the reader sets the pace.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import chain

import pycurl
from downstream_proxy.message import HeaderPairs

from .threads import Blocking

_WAKE_SECONDS = 0.5


def transfer(curl: pycurl.Curl, multi: pycurl.CurlMulti, give_back: Callable[[], None]) -> Blocking:
    """Send what the handle is set up for; its answer. Raises pycurl.error. `give_back` is called when the
    handles may serve again; dropped instead, they close their connection."""
    lines: list[bytes] = []
    chunks: list[bytes] = []
    curl.setopt(pycurl.HEADERFUNCTION, lines.append)
    curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
    steps = _steps(curl, multi, chunks, give_back)
    for begun in steps:
        if head := _head_of(lines):
            status, reason, headers = head
            return Blocking(status, reason, headers, chain((begun,), steps), steps.close, _nothing)
    raise pycurl.error(pycurl.E_GOT_NOTHING, "no head")


def _steps(
    curl: pycurl.Curl, multi: pycurl.CurlMulti, chunks: list[bytes], give_back: Callable[[], None]
) -> Generator[bytes, None, None]:
    multi.add_handle(curl)
    while multi.perform()[1]:
        yield b"".join(chunks)
        chunks.clear()
        multi.select(_WAKE_SECONDS)
    failed = multi.info_read()[2]
    multi.remove_handle(curl)
    curl.reset()
    give_back()
    yield b"".join(chunks)
    if failed:
        raise pycurl.error(*failed[0][1:])


def _nothing() -> None:
    """A step that waits ends by itself soon."""


def _head_of(lines: list[bytes]) -> tuple[int, bytes, HeaderPairs] | None:
    """Status, reason and fields of the final head in these raw lines; None while it is not complete."""
    while b"\r\n" in lines:
        end = lines.index(b"\r\n")
        _, _, rest = lines[0].strip().partition(b" ")
        code, _, reason = rest.partition(b" ")
        if int(code) >= 200 or int(code) == 101:
            fields = (line.partition(b":") for line in lines[1:end])
            return int(code), reason, [(name, value.strip()) for name, _, value in fields]
        del lines[: end + 1]
    return None
