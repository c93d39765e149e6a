"""Debian's Chromium without a window, driven through its debugging port: pages are looked at as people see them."""

import asyncio
import base64
import contextlib
import itertools
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.cluster import preflight

PROGRAMS = {"chromium": "chromium", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core"}
"""What is needed, and the Debian package it comes from: 82 MB to fetch, half a minute on a slow day."""
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
)
PATIENCE = 60.0
"""Seconds for a start, or an answer."""


class Tab:
    """One page.

    Attributes:
        asked: addresses of everything that it has tried to load.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.asked: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol, and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = await self._receive()
            if said.get("id") == number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    async def open(self, file: Path) -> None:
        """Show a file, and wait until it is there."""
        await self.call("Page.enable")
        await self.call("Network.enable")
        await self.call("Page.navigate", url=file.as_uri())
        while (await self._receive()).get("method") != "Page.loadEventFired":
            pass

    async def look(self, *, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Choose the window, and how its person likes pages."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def picture(self) -> bytes:
        """Return the whole page as a PNG."""
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def paper(self) -> bytes:
        """Return the page as it is printed, a PDF."""
        found = await self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    async def _receive(self) -> dict[str, Any]:
        said: dict[str, Any] = await self._socket.receive_json(timeout=PATIENCE)
        if said.get("method") == "Network.requestWillBeSent":
            self.asked.append(said["params"]["request"]["url"])
        return said


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """Start Chromium with a new profile; install it where it is missing."""
    preflight.ensure(PROGRAMS)
    process = await asyncio.create_subprocess_exec(
        *("chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        address = await asyncio.wait_for(_address(process), PATIENCE)
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://{address}/json/new?about:blank") as answer:
                tab = await answer.json(content_type=None)
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.send_signal(signal.SIGTERM)
        # Whatever it has left to say is read, or it would wait for a reader.
        await asyncio.wait_for(process.communicate(), PATIENCE)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = b""
    async for line in process.stderr:
        said += line
        if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
            return found[1].decode()
    raise AssertionError(f"Chromium did not start: {said.decode(errors='replace')}")
