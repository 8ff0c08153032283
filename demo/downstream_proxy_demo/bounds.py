"""Reads numbers from paths and queries within bounds; whatever does not fit is a 400 that says what would.

Python's own `int()` and `float()` take signs, underscores, `nan` and `inf`: none of them is wanted here.
"""

from __future__ import annotations

import re

from aiohttp import web

_INTEGER = re.compile(r"[0-9]{1,15}\Z")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?\Z")

KIB = 1024
MIB = 1024 * 1024


class BadInputError(ValueError):
    """The request asks for something outside the bounds; the client gets the message with a 400."""


def integer(name: str, text: str, low: int, high: int) -> int:
    """`text` as a whole number in low..high; raises BadInputError."""
    if _INTEGER.match(text) and low <= int(text) <= high:
        return int(text)
    raise BadInputError(f"{name} must be a whole number from {low} to {high}")


def seconds(name: str, text: str, high: float) -> float:
    """`text` as a number of seconds in 0..high; raises BadInputError."""
    if _DECIMAL.match(text) and float(text) <= high:
        return float(text)
    raise BadInputError(f"{name} must be a number of seconds from 0 to {high:g}")


def path_integer(request: web.Request, name: str, low: int, high: int) -> int:
    """The path's `{name}` as a whole number in low..high; raises BadInputError."""
    return integer(name, request.match_info[name], low, high)


def query_integer(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """The query's `name` as a whole number in low..high, or `default` when absent; raises BadInputError."""
    text = request.query.get(name)
    return default if text is None else integer(name, text, low, high)


def query_seconds(request: web.Request, name: str, default: float, high: float) -> float:
    """The query's `name` in seconds from 0 to high, or `default` when absent; raises BadInputError."""
    text = request.query.get(name)
    return default if text is None else seconds(name, text, high)
