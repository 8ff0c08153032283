"""The settings of rate limits: the table [rate_limits], where counts are kept, and the list `rate_limits`
inside [downstreams.NAME], what is counted.

What it is for: their names, types, units and defaults.
What it must not know: how requests are counted, where values come from.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from .settings_table import Table, option
from .settings_types import Seconds, Spelling

_RATE = re.compile(
    r"\s*[1-9]\d{0,8}\s*(?:/|per)\s*(?:[1-9]\d{0,4}\s*)?(?:second|minute|hour|day)s?\s*", re.ASCII
)
_KEY = re.compile(r"client|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_STORAGE = re.compile(r"memory://|rediss?://\S+|redis\+unix://\S+|(?:env|file):\S+")


def _check_rates(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _RATE.fullmatch(value):
            raise ValueError(f'{value!r} is not a rate; write "100/minute" or "10 per 2 seconds"')
    return values


def _check_key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(
            f'{value!r} is not a key; write "client" or "header:NAME", such as "header:X-API-Key"'
        )
    return value


def _check_storage(value: str) -> str:
    if not _STORAGE.fullmatch(value):
        raise ValueError(
            "is not a storage; write memory://, redis://HOST:PORT/DB, rediss://..., redis+unix://PATH, or "
            "env:NAME or file:PATH for a URL with a password"
        )
    return value


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Rates = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_more),
    AfterValidator(_check_rates),
    Spelling({"type": "string"}),
]


class RateLimit(Table):
    """One rule: how many requests may come from whoever has the same key. One request over any of its limits
    gets 429."""

    limits: Rates = Field(min_length=1, description='such as "100/minute", or a list of them')
    key: Annotated[str, AfterValidator(_check_key)] = option(
        "client",
        'who shares a count: "client" (address behind `trusted_proxies`, IPv6 by /64) or "header:NAME"; '
        "without that field the client's",
    )
    window: Literal["moving", "fixed"] = option(
        "moving",
        "every span of that length is bounded; or the count starts anew with each, for less work",
    )


class RateStorage(Table):
    """Where rate limits are counted, and what happens when that cannot be asked."""

    storage: Annotated[str, AfterValidator(_check_storage)] = option(
        "memory://",
        "memory:// counts in each worker for itself, redis://... for all workers and machines that share it",
    )
    outage: Literal["open", "closed"] = option(
        "open", "while the storage cannot be asked requests pass uncounted, or get 503"
    )
    timeout: Seconds = option(0.1, "an answer of the storage is waited for", "seconds")
    max_keys: int = option(
        100_000, "most counts that memory:// keeps; over it the outage rule holds", "counts", ge=1
    )
    fields: bool = option(True, "tell clients their limits in RateLimit and RateLimit-Policy")
