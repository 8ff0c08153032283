"""The settings of several addresses behind one name: tables `balance`, `health`, `eject` and `breaker` inside
[downstreams.NAME].

What it is for: their names, types, units and defaults.
What it must not know: how a choice is made, where values come from.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, field_validator, model_validator

from .settings_table import Table, option
from .settings_types import Seconds, SecondsOrZero, StringList, check_path

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 5.6.2
_ATTRIBUTES = re.compile(r"[A-Za-z-]+(=[^;\x00-\x20\x7f]*)?(; ?[A-Za-z-]+(=[^;\x00-\x20\x7f]*)?)*", re.ASCII)
_STATUS = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?", re.ASCII)


def _as_strings(value: object) -> object:
    """TOML has numbers for what is written 200 and strings for what is written "200-299"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, list | tuple):
        return tuple(str(item) if type(item) is int else item for item in value)
    return value


def _check_statuses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        match = _STATUS.fullmatch(value)
        if match is None or (match[2] and match[2] < match[1]):
            raise ValueError(f'{value!r} is not a status or a range; write 200 or "200-299"')
    return values


def _check_token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is not a name; use letters, digits and '-'")
    return value


StatusRanges = Annotated[StringList, BeforeValidator(_as_strings), AfterValidator(_check_statuses)]
Token = Annotated[str, AfterValidator(_check_token)]


def statuses(ranges: tuple[str, ...]) -> frozenset[int]:
    """The status codes that ranges such as "200-299" and "404" stand for."""
    codes: set[int] = set()
    for item in ranges:
        first, _, last = item.partition("-")
        codes.update(range(int(first), int(last or first) + 1))
    return frozenset(codes)


class Balance(Table):
    """How requests are spread over the addresses in `urls`."""

    policy: Literal["power_of_two", "round_robin"] = option(
        "power_of_two", "two addresses drawn, the one with fewer requests in flight asked; or each in turn"
    )
    affinity_cookie: Token | None = option(
        None, "name of a cookie of the proxy's own that keeps a client at one address"
    )
    cookie_attributes: str = option(
        "Path=/; HttpOnly; SameSite=Lax", "what follows that cookie's value; add Secure behind TLS"
    )
    affinity_header: Token | None = option(
        None, "request header; requests with the same value of it go to one address"
    )
    slow_start: SecondsOrZero = option(
        10.0, "over which an address that is back gets its full share; 0 = at once", "seconds"
    )
    panic: float = option(
        0.3, "all addresses are asked when fewer than this share is in service", "fraction 0..1", ge=0, le=1
    )

    @field_validator("cookie_attributes")
    @classmethod
    def _attributes(cls, value: str) -> str:
        if value and not _ATTRIBUTES.fullmatch(value):
            raise ValueError('expected cookie attributes such as "Path=/; HttpOnly; Secure"')
        return value

    @model_validator(mode="after")
    def _one_affinity(self) -> Self:
        if self.affinity_cookie and self.affinity_header:
            raise ValueError("affinity_cookie and affinity_header are both set; keep one")
        return self


class Health(Table):
    """Active checks: each address is asked for `path` again and again, once `path` is set."""

    path: str | None = option(None, "path, and query, to GET behind the URL's own path; none = no checks")
    interval: Seconds = option(5.0, "between two checks of an address, give or take a fifth", "seconds")
    timeout: Seconds = option(2.0, "from a check's beginning to the end of its answer", "seconds")
    healthy: int = option(2, "passed checks in a row that bring an address back", "checks", ge=1)
    unhealthy: int = option(2, "failed checks in a row that take an address out", "checks", ge=1)
    status: StatusRanges = option(("200-299",), "statuses that pass a check", "statuses")

    @field_validator("path")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        if value is not None:
            path, _, query = value.partition("?")
            check_path(path, "the path")
            if any(not "!" <= character <= "~" or character == "#" for character in query):
                raise ValueError("the path's query holds a character not allowed in a URL; write it as %XX")
        return value


class Eject(Table):
    """Taking an address out because requests fail there: failures that are the downstream's, never a
    client's."""

    failures: int = option(3, "failures in a row that take an address out; 0 = never", "failures", ge=0)
    status: StatusRanges = option((), 'answers that count as failures, such as ["502-504"]', "statuses")
    first: Seconds = option(
        10.0, "out the first time; doubled each time in a row, give or take a quarter", "seconds"
    )
    longest: Seconds = option(300.0, "out at most", "seconds")
    max_share: float = option(
        0.7, "most addresses out this way at once; one may always be", "fraction 0..1", ge=0, le=1
    )


class Breaker(Table):
    """Answering 503 at once while the downstream as a whole fails."""

    failures: float = option(
        0.0, "share of failures, over `window`, that opens it; 0 = no breaker", "fraction 0..1", ge=0, le=1
    )
    window: Seconds = option(10.0, "over which failures are counted", "seconds")
    min_requests: int = option(20, "fewest requests in the window to judge by", "requests", ge=1)
    first: Seconds = option(
        5.0, "open the first time; doubled each time in a row, give or take a quarter", "seconds"
    )
    longest: Seconds = option(60.0, "open at most", "seconds")
    probes: int = option(
        1, "requests let through at once to try; as many successes close it", "requests", ge=1
    )
