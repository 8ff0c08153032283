"""One shared httpx client: a cookie set for one user, then a request of another."""

from __future__ import annotations

from ..behaviour_probes import cookies
from ..subjects import SUBJECTS

CLAIM = "A shared client's cookie jar sends one user's cookies for another."
NAMES = ("recipe-httpx-state", "recipe-httpx-per-request", "fastapi-backend")


def check() -> tuple[bool, str]:
    seen = {name: cookies(SUBJECTS[name], True)["detail"] for name in NAMES}
    return "secret" in seen[NAMES[0]], "; ".join(f"{name}: {detail}" for name, detail in seen.items())
