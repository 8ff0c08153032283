"""One line per answered request, for people, for Apache's tools or as JSON, through the standard logging.

Escaped, without queries; of header values only what the combined format is made of. Knows nothing of where
the line goes.
"""

from __future__ import annotations

import functools
import json
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from .errors import ProxyError
from .identity import client_address
from .message import IncomingRequest
from .timing import Waits

logger = logging.getLogger("downstream_proxy.access")
bare = logging.getLogger("downstream_proxy.access.bare")
"""For the formats that are a whole line by themselves; `serve` sends it to standard output."""

Format = Literal["line", "combined", "json"]

_UNSAFE = re.compile(r"[^\x21-\x7e]|\"|\\")
_UNSAFE_TEXT = re.compile(r"[^\x20-\x7e]|\"|\\")
_LONGEST = 512
"""Bytes of a header value that a line takes in."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_USERINFO = re.compile(rb"(?<=//)[^/]*@")


@dataclass(slots=True)
class Exchange:
    """What a line can tell of an exchange.

    seconds: in all. first_byte: seconds from sending to the head, negative when there was none. waits: what
    came before sending, None when nothing did. size: the content's bytes towards the client. address: the
    one that was asked, "" for none.
    """

    request: IncomingRequest
    status: int
    seconds: float
    size: int = 0
    first_byte: float = -1.0
    waits: Waits | None = None
    downstream: str = ""
    address: str = ""
    request_id: bytes = b""
    error: ProxyError | None = None


class AccessLog:
    """sample: the share of exchanges that are logged; those that failed always are.

    client: who is asking, by the forwarding fields of peers that are believed.
    """

    def __init__(
        self,
        enabled: bool = True,
        style: Format = "line",
        sample: float = 1.0,
        client: Callable[[IncomingRequest], str] = client_address,
    ) -> None:
        self.enabled = enabled
        self._sample = sample
        self._client = client
        self._logger = logger if style == "line" else bare
        self._write = {"line": self._line, "combined": self._combined, "json": self._json}[style]

    def log(self, exchange: Exchange) -> None:
        """Write the line, if this exchange gets one."""
        if not self.enabled:
            return
        if not self._logger.isEnabledFor(logging.INFO):
            return
        failed = exchange.error is not None or exchange.status >= 500
        if self._sample < 1.0 and not failed and random.random() >= self._sample:
            return
        self._logger.info("%s", self._write(exchange))

    def _line(self, exchange: Exchange) -> str:
        request, error = exchange.request, exchange.error
        return (
            f'{request.peer or "-"} "{_safe(request.method)} {_path(request.target)}" {exchange.status} '
            f"{exchange.size} {exchange.seconds:.4f} downstream={exchange.downstream or '-'} "
            f"request_id={exchange.request_id.decode('ascii', 'replace') or '-'} "
            f"error={error.kind.value if error else '-'}"
        )

    def _combined(self, exchange: Exchange) -> str:
        """Apache's combined format; the user is never known, and the referrer loses its query."""
        request = exchange.request
        fields = {name.lower(): value for name, value in request.headers}
        referrer = _USERINFO.sub(b"", fields.get(b"referer", b"").partition(b"?")[0].partition(b"#")[0])
        agent = fields.get(b"user-agent", b"")
        return (
            f"{self._client(request) or '-'} - - [{_apache_time()}] "
            f'"{_safe(request.method)} {_path(request.target)} HTTP/1.{request.minor}" {exchange.status} '
            f'{exchange.size or "-"} "{_text(referrer) or "-"}" "{_text(agent) or "-"}"'
        )

    def _json(self, exchange: Exchange) -> str:
        """One object; durations in seconds. A key that would say nothing is left out."""
        request, waits, error = exchange.request, exchange.waits, exchange.error
        entry: dict[str, object] = {
            "time": _iso_time(),
            "client": self._client(request),
            "peer": request.peer,
            "method": _safe(request.method),
            "path": _safe(request.target.partition(b"?")[0]),
            "status": exchange.status,
            "request_id": exchange.request_id.decode("ascii", "replace"),
            "downstream": exchange.downstream,
            "address": exchange.address,
            "seconds": round(exchange.seconds, 6),
            "bytes_out": exchange.size,
        }
        if request.body is not None:
            entry["bytes_in"] = request.body.total_bytes
        if waits is not None:
            entry |= {name: round(value, 6) for name, value in waits.named() if value}
        if exchange.first_byte >= 0.0:
            entry["first_byte"] = round(exchange.first_byte, 6)
        if error is not None:
            entry |= {"error": error.kind.value, "stage": error.stage.value}
        return _encode({key: value for key, value in entry.items() if value != ""})


def _safe(value: bytes) -> str:
    """Printable ASCII; everything that could forge a line or steer a terminal is escaped."""
    return _UNSAFE.sub(_escaped, value.decode("latin-1"))


def _text(value: bytes) -> str:
    """The same for what may have spaces in it; not all of it when it is long."""
    return _UNSAFE_TEXT.sub(_escaped, value[:_LONGEST].decode("latin-1"))


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _path(target: bytes) -> str:
    """The target with a mark where its query was: secrets travel in queries."""
    path, mark, _ = target.partition(b"?")
    return _safe(path) + ("?..." if mark else "")


# strftime asks the locale, and Apache's months are English in every one.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _apache_time() -> str:
    return _apache_second(int(time.time()))


@functools.lru_cache(2)
def _apache_second(second: int) -> str:
    at = time.gmtime(second)
    return f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} +0000"


def _iso_time() -> str:
    now = time.time()
    return f"{_iso_second(int(now))}.{int(now % 1 * 1000):03}Z"


@functools.lru_cache(2)
def _iso_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
