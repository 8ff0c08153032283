"""Drives headless Chromium over the DevTools protocol: opens a page, waits for it, keeps what went wrong.

Only the few commands that the tests need, over aiohttp's WebSocket client, so that no browser driver has to
be installed. It knows nothing of the page or of the proxy.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from .programs import find

STARTS_WITHIN = 20.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class Page:
    """One tab. `problems` collects console errors and warnings, exceptions and requests that failed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []
        self.statuses: dict[str, int] = {}
        self._socket = socket
        self._session: str | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._requested: dict[str, str] = {}
        self._reader = asyncio.create_task(self._read())

    async def open(self, *, dark: bool = False, width: int = 1200, height: int = 900) -> None:
        """Makes the tab, in a colour scheme and size."""
        target = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            await self.command(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.command("Emulation.setDeviceMetricsOverride", **size)
        await self.command("Emulation.setScrollbarsHidden", hidden=True)

    async def go(self, url: str) -> None:
        """Navigates; raises RuntimeError when the page itself does not arrive."""
        answer = await self.command("Page.navigate", url=url)
        if "errorText" in answer:
            raise RuntimeError(f"{url}: {answer['errorText']}")

    async def value(self, expression: str) -> Any:
        """The value of a JavaScript expression, a promise awaited."""
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("text", "exception in the page"))
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float) -> Any:
        """Waits until the expression is true and gives its value; raises TimeoutError."""
        look = f"const value = ({expression}); value ? done(value) : setTimeout(look, 50);"
        async with asyncio.timeout(seconds):
            return await self.value(f"new Promise((done) => {{ const look = () => {{ {look} }}; look(); }})")

    async def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        shot = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result; raises RuntimeError when the browser refuses it."""
        number = len(self._waiting) + 1
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        return await self._waiting[number]

    async def close(self) -> None:
        """Ends the browser."""
        self._session = None
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
            async with asyncio.timeout(5):
                await self.command("Browser.close")
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if "id" in data:
                answered = self._waiting[data["id"]]
                if answered.cancelled():
                    continue
                if "error" in data:
                    answered.set_exception(RuntimeError(data["error"]["message"]))
                else:
                    answered.set_result(data["result"])
            else:
                self._note(data["method"], data["params"])
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(RuntimeError("the browser has gone"))

    def _note(self, event: str, about: dict[str, Any]) -> None:
        match event:
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                self.problems.append(f"console: {[part.get('value') for part in about['args']]}")
            case "Runtime.exceptionThrown":
                self.problems.append(f"exception: {about['exceptionDetails']['text']}")
            case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"log: {about['entry']['text']} {about['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self._requested[about["requestId"]] = about["request"]["url"]
            case "Network.responseReceived":
                self.statuses[about["response"]["url"]] = about["response"]["status"]
            case "Network.loadingFailed" if not about.get("canceled"):
                self.problems.append(
                    f"failed: {about['errorText']} {self._requested.get(about['requestId'])}"
                )


@contextlib.asynccontextmanager
async def chromium(directory: Path, *, dark: bool = False, width: int = 1200) -> AsyncIterator[Page]:
    """A browser with a profile of its own in `directory`, and its one page; both end with the block."""
    program, profile = find("chromium", "chromium"), directory / "profile"
    with (directory / "chromium.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(directory)},
        )
    try:
        address = await _devtools_address(profile / "DevToolsActivePort", process)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as socket,
        ):
            page = Page(socket)
            try:
                await page.open(dark=dark, width=width)
                yield page
            finally:
                await page.close()
    finally:
        await _end(process)


async def _devtools_address(file: Path, process: asyncio.subprocess.Process) -> str:
    """The browser's WebSocket URL, which it writes into its profile: port, then path, a line each."""
    async with asyncio.timeout(STARTS_WITHIN):
        while process.returncode is None:
            lines = await asyncio.to_thread(_lines, file)
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            await asyncio.sleep(0.05)
    raise RuntimeError(f"chromium ended with exit code {process.returncode}")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
