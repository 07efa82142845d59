"""Converse.js in Debian's Chromium, used as a person would: by what is on the screen."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.interop.node import HERE, NodeClient, Refused, node_client

_CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"),
    # nothing is asked of other machines
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
#: CSS pixels.
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


class Converse(NodeClient):
    """A page in a browser of its own (`browser.mjs`). Events: ``sent``, ``received`` on its WebSocket."""

    url: str

    async def on(self, selector: str, method: str, *arguments: Any) -> Any:
        """Calls a method of Playwright's locator, which waits up to 20 s for what it needs."""
        return await self.do("locator", selector, method, *arguments, timeout=30)

    async def shows(self, selector: str) -> None:
        """Waits until it can be seen."""
        await self.on(selector, "waitFor")

    async def hides(self, selector: str) -> None:
        """Waits until it can't."""
        await self.on(selector, "waitFor", {"state": "hidden"})

    async def leave(self) -> None:
        """Goes to another page, which ends the connection without a word."""
        await self.do("page", "goto", "about:blank")

    async def open(self) -> None:
        """Goes to the page of Converse.js."""
        await self.do("page", "goto", self.url, timeout=30)

    async def log_in(self, jid: str, password: str = "pw") -> None:
        """By the form; waits until the page says that one is online."""
        await self.open()
        await self.fill_in(jid, password)
        await self.online()

    async def fill_in(self, jid: str, password: str) -> None:
        """The form of the login."""
        await self.on("#converse-login-jid", "fill", jid)
        await self.on("#converse-login-password", "fill", password)
        await self.on("#converse-login [type=submit]", "click")

    async def online(self) -> None:
        """Waits for the status."""
        await self.shows(".xmpp-status .online")

    async def made_keys(self) -> None:
        """Waits until its first OMEMO keys are published."""
        await self.event("received", "<publish node='urn:xmpp:omemo:2:bundles'>")

    async def add_contact(self, jid: str) -> None:
        """Asks for another's presence."""
        await self.on(".dropdown--contacts button", "click")
        await self.on(".dropdown--contacts .add-contact", "click")
        await self.on(".add-xmpp-contact input[name=jid]", "fill", jid)
        await self.on(".add-xmpp-contact [type=submit]", "click")
        await self.hides(".add-xmpp-contact")

    async def chat_with(self, jid: str) -> None:
        """Opens the conversation with a contact. A click gets lost when the list is just drawn anew."""
        for _ in range(5):
            await self.on(f".open-chat[data-jid='{jid}']", "click")
            with contextlib.suppress(Refused):
                await self.on("converse-chat .chat-textarea", "waitFor", {"timeout": 4000})
                return
        raise AssertionError(f"no conversation with {jid}")

    async def encrypt(self) -> None:
        """Switches OMEMO on in the conversation that is open."""
        await self.on("converse-chat .toggle-omemo[data-disabled=false]", "click")
        await self.shows("converse-chat .toggle-omemo .fa-lock")

    async def log_out(self) -> None:
        """By the button in the profile; waits for the form of the login."""
        await self.on(".show-profile", "click")
        await self.on("converse-profile-modal .btn-danger:has-text('Log out')", "click")
        await self.on("converse-confirm-modal [type=submit]", "click")
        await self.shows("#converse-login-jid")

    async def write(self, text: str) -> None:
        """Sends a message in the conversation that is open, and waits until it is on the screen."""
        await self.on("converse-chat .chat-textarea", "fill", text)
        await self.on("converse-chat .chat-textarea", "press", "Enter")
        await self.reads(text)

    async def reads(self, text: str) -> None:
        """Waits until a message with that text is on the screen."""
        await self.shows(f"converse-chat .chat-msg__text:has-text({json.dumps(text, ensure_ascii=False)})")

    async def history(self, *texts: str) -> list[str]:
        """All messages of the conversation that is open, once those texts are on the screen."""
        for text in texts:
            await self.reads(text)
        return [text.strip() for text in await self.on("converse-chat .chat-msg__text", "allTextContents")]

    async def picture(self, file: Path, size: dict[str, int] = DESKTOP) -> None:
        """What a person sees, as a PNG."""
        await self.do("page", "setViewportSize", size)
        await self.do("page", "screenshot", {"path": str(file)}, timeout=30)
        await self.do("page", "setViewportSize", DESKTOP)

    @property
    def complaints(self) -> list[str]:
        """What the browser's console has of errors, and what could not be loaded."""
        said = [line["text"] for line in self.seen("console") if line["type"] == "error"]
        return [*said, *self.seen("pageerror"), *self.seen("failed")]


@asynccontextmanager
async def _page() -> AsyncIterator[str]:
    """Serves `converse.html` with the npm package's files. Gives the address."""
    app = web.Application()
    app.router.add_static("/dist", HERE / "node_modules" / "converse.js" / "dist")

    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "converse.html")

    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@contextmanager
def chromium(profile: Path, *options: str) -> Iterator[str]:
    """Runs Chromium without a window. Gives where it can be driven."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: `make test` installs it (debian-packages.txt)"
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [program, *_CHROMIUM, *options, f"--user-data-dir={profile}"], stdin=quiet, stdout=quiet, stderr=quiet
    )
    listening = profile / "DevToolsActivePort"
    try:
        deadline = time.monotonic() + 60
        while not (listening.exists() and listening.read_text().count("\n")):
            assert process.poll() is None, "chromium does not start"
            assert time.monotonic() < deadline, "chromium does not listen"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{listening.read_text().split()[0]}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def converse(chromium: str, http_port: int) -> AsyncIterator[Converse]:
    """A browser that has not opened the page yet. The server's WebSocket is on ``http_port``."""
    async with _page() as page, node_client(Converse, "browser.mjs", "converse.js", chromium) as browser:
        browser.url = f"{page}?websocket=ws://127.0.0.1:{http_port}/xmpp-websocket"
        yield browser
