"""From a raw request target to a downstream: which one, and the bytes to ask it for. Pure; never decodes what
it sends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

from .errors import ErrorKind, ProxyError

T = TypeVar("T")

# A path without these bytes has no dot-segment in any spelling.
_SUSPECT = re.compile(rb"\.\.|%2[eE5]|%5[cC]|\\")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_SEPARATORS = re.compile(rb"[/\\]")


class Routes(Generic[T]):
    """Finds what serves a path by its longest matching prefix, in time that does not grow with the number of
    routes.

    A prefix matches whole segments: `/api` serves `/api`, `/api/` and `/api?x`, not `/apis`.
    """

    def __init__(self, routes: Iterable[tuple[str, T]]) -> None:
        self._routes = {prefix.encode().rstrip(b"/"): value for prefix, value in routes}
        self._only_root = self._routes.get(b"") if len(self._routes) == 1 else None

    def find(self, target: bytes) -> tuple[bytes, T]:
        """The prefix (without a final slash) and what serves it.

        Raises ProxyError: no-route, or target-escapes-prefix when dot-segments, read as leniently as any
        downstream might, lead out of the prefix.
        """
        if self._only_root is not None:
            return b"", self._only_root
        path = target.partition(b"?")[0]
        candidate = path
        while True:
            value = self._routes.get(candidate)
            if value is not None:
                if candidate and _SUSPECT.search(path, len(candidate)) and _leaves(path[len(candidate) :]):
                    raise ProxyError(ErrorKind.TARGET_ESCAPES_PREFIX)
                return candidate, value
            slash = candidate.rfind(b"/")
            if slash < 0:
                raise ProxyError(ErrorKind.NO_ROUTE)
            candidate = candidate[:slash]


def _leaves(rest: bytes) -> bool:
    """Whether dot-segments in `rest`, decoded once, twice or not at all, climb above where it starts."""
    for _ in range(3):
        depth = 0
        for segment in _SEPARATORS.split(rest):
            name = segment.partition(b";")[0]
            if name == b"..":
                depth -= 1
                if depth < 0:
                    return True
            elif name not in (b"", b"."):
                depth += 1
        decoded = _PERCENT.sub(lambda match: bytes([int(match[1], 16)]), rest)
        if decoded == rest:
            return False
        rest = decoded
    return False


def outgoing_target(target: bytes, prefix: bytes, strip: bool, base: bytes) -> bytes:
    """The target to send: the client's bytes, without the route's prefix if told so, behind the downstream's
    own path.

    prefix: as Routes.find gave it. base: path of the downstream's URL, without a final slash.
    """
    if strip and prefix:
        target = target[len(prefix) :]
        if target[:1] != b"/":
            target = b"/" + target
    return base + target if base else target
