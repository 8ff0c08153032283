"""`headers=r.headers` and `headers=dict(r.headers)` with an answer that sets two cookies."""

from __future__ import annotations

import httpx

from ..behaviour_probes import repeated_fields
from ..subjects import SUBJECTS

CLAIM = "`headers=r.headers` merges two Set-Cookie fields of an answer into one, which no browser can read."


def check() -> tuple[bool, str]:
    headers = httpx.Headers([("set-cookie", "a=1"), ("set-cookie", "b=2")])
    seen = repeated_fields(SUBJECTS["recipe-httpx-state"], True)
    joined = dict(headers.items())["set-cookie"]
    return "1 of 2 cookies" in seen[
        "detail"
    ], f"httpx's items() gives {joined!r}; through the recipe: {seen['detail']}"
