"""Whole small apps as people write them, each run by uvicorn in a process of its own.

They read DOWNSTREAM_URL. Their faults are theirs: nothing is mended here, as it is what the comparison is
about.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """One app. file: the module in this folder that defines `app`."""

    name: str
    file: str
    distribution: str
    title: str

    @property
    def module(self) -> str:
        return f"{__name__}.{self.file}"


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("recipe-requests-def", "requests_def", "requests", "`requests` in a `def` endpoint"),
        Recipe(
            "recipe-requests-async",
            "requests_async",
            "requests",
            "`requests` in an `async def` endpoint (blocking)",
        ),
        Recipe("recipe-httpx-module", "httpx_module", "httpx", "httpx client at module level"),
        Recipe(
            "recipe-httpx-state",
            "httpx_state",
            "httpx",
            "httpx in lifespan, `aiter_raw`, background close",
        ),
        Recipe(
            "recipe-httpx-generator",
            "httpx_generator",
            "httpx",
            "httpx in lifespan, a generator of chunks",
        ),
        Recipe(
            "recipe-httpx-buffered",
            "httpx_buffered",
            "httpx",
            "httpx in lifespan, buffered: JSON, text or bytes",
        ),
        Recipe("recipe-httpx-limits", "httpx_lifespan", "httpx", "httpx in lifespan with pool limits"),
        Recipe("recipe-httpx-per-request", "httpx_per_request", "httpx", "an httpx client made per request"),
    )
}
