"""One line per answered request, through the standard logging: escaped, without query, without header values.

Knows nothing of where the line goes.
"""

from __future__ import annotations

import logging
import re

from .errors import ProxyError

logger = logging.getLogger("downstream_proxy.access")

_UNSAFE = re.compile(r"[^\x21-\x7e]|\"|\\")


def _safe(value: bytes) -> str:
    """Printable ASCII; everything that could forge a line or steer a terminal is escaped."""
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", value.decode("latin-1"))


class AccessLog:
    """The query is left out of the line: secrets travel in queries."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def log(
        self,
        *,
        peer: str,
        method: bytes,
        target: bytes,
        status: int,
        size: int,
        seconds: float,
        downstream: str,
        request_id: bytes,
        error: ProxyError | None,
    ) -> None:
        if not self.enabled:
            return
        path, mark, _ = target.partition(b"?")
        logger.info(
            '%s "%s %s%s" %d %d %.4f downstream=%s request_id=%s error=%s',
            peer or "-",
            _safe(method),
            _safe(path),
            "?..." if mark else "",
            status,
            size,
            seconds,
            downstream or "-",
            request_id.decode("ascii", "replace") or "-",
            error.kind.value if error else "-",
        )
