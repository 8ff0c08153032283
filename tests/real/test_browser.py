"""Headless Chromium loads the demo's page through each backend, with its EventSource and WebSocket."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..backends import Backend
from .chromium import chromium
from .conftest import Through

pytestmark = pytest.mark.timeout(90)

FAILED = """
[...document.querySelectorAll('[data-state="fail"]')].map((card) => card.innerText.replace(/\\s+/g, ' '))
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
async def test_every_check_of_the_page_passes_in_a_browser(
    scheme: str, width: int, backend: Backend, demo_url: str, through: Through, tmp_path: Path
) -> None:
    url = through(demo_url)
    async with chromium(tmp_path, dark=scheme == "dark", width=width) as page:
        await page.go(f"{url}/")
        result = await page.until("document.body && document.body.dataset.result", 60)
        failed = await page.value(FAILED)
        route = await page.value("document.getElementById('route').textContent")
        picture = await page.screenshot()
        overflow = await page.value("document.documentElement.scrollWidth - innerWidth")
    (tmp_path / f"{backend.name}-{scheme}.png").write_bytes(picture)
    assert (result, failed, page.problems) == ("pass", [], [])
    assert "through the proxy that calls itself" in route
    assert overflow <= 0, "the page is wider than the window"
    for name in ("/", "/static/page.css", "/static/page.js", "/static/checks.js", "/image.svg"):
        assert page.statuses[url + name] == 200
