"""What the clients' URL types make of a target with escaped dots."""

from __future__ import annotations

import httpx
from yarl import URL

CLAIM = "yarl's `URL` changes a target with escaped dot segments; `encoded=True` keeps it."
TARGET = "http://h/a/%2e%2e/b"


def check() -> tuple[bool, str]:
    plain, kept = URL(TARGET).raw_path, URL(TARGET, encoded=True).raw_path
    other = httpx.URL(TARGET).raw_path.decode()
    return (
        plain == "/b" and kept == "/a/%2e%2e/b",
        f"/a/%2e%2e/b becomes {plain}, with encoded=True {kept}; httpx's: {other}",
    )
