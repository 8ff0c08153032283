"""The status page in a browser: live, in both colour schemes, on a phone, and readable without its script."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from ..backends import Backend
from .chromium import chromium
from .conftest import Through

pytestmark = pytest.mark.timeout(60)

SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifts += entry.value;
}).observe({type: "layout-shift", buffered: true});
true
"""
LIVE = "document.body && document.body.dataset.live === 'yes' && Number(document.body.dataset.events) >= {}"
IN_ALL = """
[...document.querySelectorAll('tr')].find((row) => row.cells[0].textContent === 'in all').cells[1].textContent
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
async def test_the_page_is_live_and_stays_where_it_is(
    scheme: str, width: int, backend: Backend, demo_url: str, through: Through, tmp_path: Path
) -> None:
    url = through(demo_url, "--no-access-log")
    dark = scheme == "dark"
    async with (
        chromium(tmp_path, dark=dark, width=width) as page,
        aiohttp.ClientSession() as session,
    ):
        await page.go(f"{url}/-/status")
        await page.until(LIVE.format(1), 20)
        await page.value(SHIFTS)
        before = int(await page.value(IN_ALL))
        for _ in range(3):
            async with session.get(f"{url}/etag/v1") as response:
                assert response.status == 200
        await page.until(f"Number({IN_ALL.strip()}) === {before + 3}", 10)
        await page.until(LIVE.format(4), 10)
        shifts = await page.value("window.shifts")
        overflow = await page.value("document.documentElement.scrollWidth - innerWidth")
        back = await page.value("getComputedStyle(document.body).backgroundColor")
        picture = await page.screenshot()
    (tmp_path / f"{backend.name}-{scheme}.png").write_bytes(picture)
    assert page.problems == []
    assert set(page.statuses) == {f"{url}/-/status"}, "the page needs nothing else"
    assert overflow <= 0, "the page is wider than the window"
    assert shifts < 0.02, "the page jumps"
    assert (sum(int(part) for part in back[4:-1].split(",")) < 200) == dark


async def test_the_page_says_all_without_its_script(
    backend: Backend, demo_url: str, through: Through, tmp_path: Path
) -> None:
    del backend
    url = through(demo_url, "--no-access-log")
    async with chromium(tmp_path, width=375) as page:
        await page.command("Emulation.setScriptExecutionDisabled", value=True)
        await page.go(f"{url}/-/status")
        text = ""
        while "looking at this page" not in text:
            text = await page.value("document.body ? document.body.innerText : ''")
        live = await page.value("document.body.dataset.live")
    assert live == "no", "no script has run"
    assert "places in use" in text
    assert "Rates and latency since the start." in text
    assert page.problems == []
