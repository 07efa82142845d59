"""Somebody who uses the web app in Debian's Chromium: by what is on the screen."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.client.cable import Cable
from tests.conftest import RunningServer
from tests.interop.node import NodeClient, node_client
from tests.web.device import until

#: Options of the browser's context.
DESKTOP = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
PHONE = {"viewport": {"width": 390, "height": 844}, "hasTouch": True, "isMobile": True, "locale": "en-GB"}

_numbers = itertools.count(2_000_001)
SCRIPT = str(Path(__file__).with_name("app.mjs"))
#: A function that gives the account a chat with so many messages.
SEED = Path(__file__).with_name("history.js").read_text().partition("\n")[2].strip()
#: Compressed bytes that were loaded of script and style; the crypto is loaded beside what is shown.
WEIGHT = """(() => {
  const sum = { script: 0, crypto: 0, style: 0 };
  for (const { name, encodedBodySize: size } of performance.getEntriesByType('resource')) {
    if (name.endsWith('.css')) sum.style += size;
    else if (name.endsWith('.js')) sum[/omemo/.test(name) ? 'crypto' : 'script'] += size;
  }
  return sum;
})()"""


class Someone(NodeClient):
    """``number``: theirs, in E.164; it is no other test's."""

    server: RunningServer
    number: str
    name: str
    #: What is between the browser and the server, if it can be cut.
    cable: Cable | None = None
    #: What a test has made the browser complain of.
    provoked: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.cable.port if self.cable else self.server.http_port}/"

    @property
    def address(self) -> str:
        return f"{self.number}@localhost"

    # -- what one does ------------------------------------------------------------------------------

    async def on(self, selector: str, method: str, *arguments: Any) -> Any:
        """Calls a method of Playwright's locator, which waits up to 20 s for what it needs."""
        return await self.do("locator", selector, method, *arguments)

    async def press(self, name: str, role: str = "button") -> None:
        """Something by the name that a screen reader says."""
        await self.do("role", role, name, "click")

    async def fill(self, name: str, text: str) -> None:
        await self.do("role", "textbox", name, "fill", text)

    async def shows(self, selector: str) -> None:
        """Waits until it can be seen."""
        await self.on(f"{selector} >> nth=0", "waitFor")

    async def hides(self, selector: str) -> None:
        await self.on(selector, "waitFor", {"state": "hidden"})

    async def evaluate(self, script: str) -> Any:
        return await self.do("page", "evaluate", script)

    async def keeps_the_app(self) -> None:
        """Waits until the app is in the browser, so that it opens without network."""

        async def kept() -> bool:
            return bool(await self.evaluate("navigator.serviceWorker.controller !== null"))

        await until(kept)

    async def picture(self, file: Path) -> None:
        await self.do("page", "screenshot", {"path": str(file)})

    # -- the start ------------------------------------------------------------------------------------

    async def open(self, path: str = "") -> None:
        await self.do("page", "goto", self.url + path)

    async def register(self) -> None:
        """From the first screen to the chats."""
        await self.open()
        await self.show_number()
        await self.show_name()

    async def show_number(self) -> None:
        """That it is theirs, with the code that comes."""
        await self.fill("Phone number", self.number)
        await self.press("Continue")
        await self.shows("input[name=code]")
        await self.on("input[name=code]", "fill", await self.code())

    async def show_name(self) -> None:
        """What others will see."""
        await self.fill("Your name", self.name)
        await self.press("Continue")
        await self.shows(".home")

    async def link_code(self) -> str:
        """The code that the browser shows to be linked, as a link."""
        await self.shows("svg[role=img][aria-label='QR code to link this browser']")
        await self.do("context", "grantPermissions", ["clipboard-read", "clipboard-write"])
        await self.press("Copy as link")
        code: str = await self.evaluate("navigator.clipboard.readText()")
        return code

    async def log_out(self) -> None:
        """Which deletes all that the browser has."""
        await self.open("#/settings")
        await self.press("Log out")
        await self.on("dialog .button.danger", "click")
        await self.shows("input[name=number]")

    async def code(self) -> str:
        """The last one that the server has printed for the number."""
        pattern = re.compile(rf"{re.escape(self.number)}: (\d{{6}}) is your")
        found: list[str] = []

        async def printed() -> bool:
            found[:] = pattern.findall(self.server.log.read_text())
            return bool(found)

        await until(printed)
        return found[-1]

    # -- chats ------------------------------------------------------------------------------------------

    async def start_chat(self, number: str) -> None:
        await self.on("[aria-label='New chat']", "click")
        await self.fill("Name, number or address", number)
        await self.shows(".row:has-text('Write to')")
        await self.do("key", "Enter")
        await self.shows("textarea")

    async def open_chat(self, text: str) -> None:
        """The one in the list that has this in it."""
        await self.on(f".chat-row:has-text({json.dumps(text)})", "click")
        await self.shows(".history.placed")

    async def write(self, text: str) -> None:
        await self.on("textarea", "fill", text)
        await self.press("Send")
        await self.reads(text)

    async def reads(self, text: str) -> None:
        """Waits until a message with that text is in the conversation."""
        await self.shows(self.bubble(text))

    async def stored(self, table: str) -> list[dict[str, Any]]:
        """All that the browser keeps of a kind."""
        database = json.dumps(f"kith {self.address}")
        rows: list[dict[str, Any]] = await self.evaluate(
            f"new Promise((done) => {{ indexedDB.open({database}).onsuccess = ({{ target }}) => {{"
            f" const all = target.result.transaction('{table}').objectStore('{table}').getAll();"
            " all.onsuccess = () => { target.result.close(); done(all.result) } } })"
        )
        return rows

    @staticmethod
    def bubble(text: str) -> str:
        return f".message:has(.text:text-is({json.dumps(text, ensure_ascii=False)}))"

    async def marked(self, text: str, *progress: str) -> None:
        """Waits until a message of one's own has come so far: waiting, sent, delivered or read."""
        marks = ", ".join(f"{self.bubble(text)} [data-progress={one}]" for one in progress)
        await self.shows(marks)

    async def verify(self, name: str) -> None:
        """Says, where the safety number is shown, that it was compared."""
        await self.press("Mark as verified")
        await self.shows(f"[role=status]:has-text('You have verified {name}')")

    async def menu(self, text: str, item: str) -> None:
        """What one does with a message, by its menu, which the second button of the mouse opens."""
        await self.on(f"{self.bubble(text)} .bubble", "click", {"button": "right"})
        await self.press(item, "menuitem")

    async def close_chat(self) -> None:
        """Back to the list alone."""
        await self.open("#/")
        await self.hides("textarea")

    async def texts(self) -> list[str]:
        found: list[str] = await self.on(".message .text", "allTextContents")
        return found

    # -- what must not be -----------------------------------------------------------------------------------

    @property
    def complaints(self) -> list[str]:
        """Errors in the console, also against the policy; not refusals, nor a network that was cut."""
        network = ("net::ERR_", "WebSocket connection to", "unknown error occurred when fetching the script")
        expected = (*network, "status of 4", "status of 5", *self.provoked)
        return [text for text in self.seen("error") if not any(one in text for one in expected)]

    @property
    def elsewhere(self) -> list[str]:
        """Requests to anything but the server."""
        media = f"http://localhost:{self.server.media_http_port}/"
        own = (self.url, media, f"blob:{self.url}", "data:")
        return [url for url in self.seen("request") if not url.startswith(own)]


@asynccontextmanager
async def someone(
    chromium: str, server: RunningServer, name: str, options: dict[str, Any]
) -> AsyncIterator[Someone]:
    """A browser of somebody's own, which has not opened the app yet."""
    async with node_client(Someone, SCRIPT, "playwright-core", chromium, json.dumps(options)) as person:
        person.server = server
        person.name = name
        person.number = f"+49151{next(_numbers):08}"
        yield person


async def approach(ada: Someone, ben: Someone, text: str) -> None:
    """Both register; ada writes, ben reads it."""
    await ada.register()
    await ben.register()
    await ada.start_chat(ben.number)
    await ada.write(text)
    await ben.open_chat(text)
    await ben.reads(text)


async def meet(ada: Someone, ben: Someone) -> None:
    """The same, and ben accepts her."""
    await approach(ada, ben, "Hello")
    await ben.press("Accept")
    await ben.hides(".request")
