"""Gajim (Debian's, with its OMEMO plugin) on a virtual screen, used with mouse and keyboard."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageColor

from tests.interop.desktop import Desktop, desktop

#: the left edge of the conversation, in pixels
_LEFT = 424


class Gajim:
    """A Gajim whose profile is its home's. ``screen`` is what it is on."""

    def __init__(self, screen: Desktop) -> None:
        self.screen = screen

    @property
    def log(self) -> str:
        """Its debug log, with the stanzas."""
        return (self.screen.home / "gajim.log").read_text(errors="replace")

    async def start(self) -> None:
        await self.screen.start("gajim", "--verbose", "--loglevel", "gajim=INFO")

    async def set_up(self, jid: str, port: int) -> str:
        """Adds the account, trusts the server's certificate, connects. Returns its SHA-256 as shown."""
        screen = self.screen
        await screen.write(jid, "text", "Your XMPP address")
        await screen.write("pw", "password text", "Your password")
        await screen.click("check box", "Advanced Settings")
        await screen.click("push button", "^Log In")
        await screen.write("localhost", "text", beside="Hostname")
        await screen.write(str(port), "text", beside="Port")
        await screen.click("push button", "^Log In")
        await screen.click("push button", "Show Certificate")
        (fingerprint, *_) = await screen.sees("label", r"^((\w\w:){7}\w\w\s*){4}$")
        await screen.picture("certificate")
        await screen.dismiss("^Certificate$")
        await screen.click("check box", "Add to Trusted Certificates")
        await screen.click("push button", "^Log In")
        await screen.click("push button", "^Connect")
        await self.log_in()
        return fingerprint

    async def set_up_trusting(self, jid: str) -> None:
        """Adds an account whose server it finds by the name, and whose certificate it trusts."""
        screen = self.screen
        await screen.write(jid, "text", "Your XMPP address")
        await screen.write("pw", "password text", "Your password")
        await screen.click("push button", "^Log In")
        await screen.click("push button", "^Connect")
        await self.log_in()

    async def log_in(self) -> None:
        """Gives the password, since there is no keyring, and waits until the account is online."""
        screen = self.screen
        await screen.sees("frame", "^Password Required")
        await screen.write("pw", "password text")
        await screen.click("push button", "^Login")
        await screen.gone("frame", "^Password Required")
        await self.contacts()

    async def contacts(self) -> None:
        """Shows the account's page, with the contacts."""
        await self.screen.click("filler", "^Account: ")
        await self.screen.sees("toggle button", "^Available")

    async def add(self, jid: str) -> None:
        """Asks to see somebody's presence, and shows one's own."""
        screen = self.screen
        await screen.click("menu", "^Accounts")
        await screen.click("menu item", "^Add Contact")
        await screen.sees("frame", "^Add Contact")
        await screen.write(jid, "text")
        await screen.click("push button", "^Next")
        await screen.click("push button", "^Add Contact")

    async def open(self, jid: str) -> None:
        """Opens the conversation with a contact."""
        await self.contacts()
        await self.screen.click("table cell", f"^{jid.partition('@')[0]}$", mouse="b1d")
        await self.screen.sees("toggle button", "^Choose encryption")

    async def has_keys(self) -> None:
        """Waits until its OMEMO keys are published."""
        async with asyncio.timeout(60):
            while "node='eu.siacs.conversations.axolotl.bundles:" not in self.log.replace('"', "'"):
                await asyncio.sleep(0.1)

    async def open_group(self, name: str) -> None:
        """Opens the conversation of a group that it has entered by itself, from a bookmark."""
        await self.screen.click("icon", "^My Workspace$", mouse="b1c")
        await self.screen.click("label", f"^{name}$", mouse="b1c")
        await self.screen.sees("toggle button", "^Choose encryption")

    async def encrypt(self) -> None:
        """Switches OMEMO on in the conversation."""
        await self.screen.click("toggle button", "^Choose encryption")
        await self.screen.click("radio button", "^OMEMO")
        await self.screen.sees("push button", "^OMEMO encryption is active")

    async def say(self, text: str) -> None:
        """Writes a message in the conversation."""
        await self.screen.write(text, "text", beside="^Format your message")
        await self.screen.press("Return")

    async def reads(self, *texts: str) -> None:
        """Waits until the conversation shows these messages, in this order."""
        await self.screen.until("tree", right=lambda tree: _messages(tree, texts) == list(texts))

    def history(self, jid: str) -> list[str]:
        """The messages with somebody that it has on disk, the oldest first."""
        file = self.screen.home / ".local" / "share" / "gajim" / "logs.db"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT message FROM logs JOIN jids USING (jid_id) WHERE jid = ? ORDER BY time, log_line_id",
                (jid,),
            )
            return [text for (text,) in rows]

    async def shows_colour(self, colour: str) -> None:
        """Waits until at least a hundred pixels of the screen have that colour, ``#rrggbb``."""
        wanted = ImageColor.getrgb(colour)
        for _ in range(100):
            with Image.open(await self.screen.picture("colours")) as picture:
                colours = picture.convert("RGB").getcolors(2**20)
            if any(number >= 100 and found == wanted for number, found in colours):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"nothing has the colour {colour}: {self.screen.shots / 'colours.png'}")

    async def wear(self, picture: Path) -> None:
        """Publishes an avatar."""
        screen = self.screen
        screen.lend(picture)
        await screen.click("menu", "^Accounts")
        await screen.click("menu item", "^Profile")
        await screen.click("push button", "^Edit$")
        await screen.click("push button", "^Change your profile picture")
        await screen.click("table cell", f"^{picture.name}$", mouse="b1c")
        await screen.click("push button", "^Open$")
        await screen.click("push button", "^Update$")
        await screen.click("push button", "^Save$")
        await screen.sees("push button", "^Edit$")
        await screen.dismiss("^Profile")

    async def quit(self) -> None:
        await self.screen.click("menu", "^Gajim")
        await self.screen.click("menu item", "^Quit")
        await self.screen.ended("gajim")


def _messages(tree: list[tuple[str, list[str], list[int]]], texts: tuple[str, ...]) -> list[str]:
    """Those of the texts that are in the conversation, from top to bottom."""
    labels = [
        (place[1], said[0]) for role, said, place in tree if role == "label" and said and place[0] > _LEFT
    ]
    return [text for _, text in sorted(labels) if text in texts]


@asynccontextmanager
async def gajim(shots: Path, overlay: Path | None = None) -> AsyncIterator[Gajim]:
    """A running Gajim, on a desktop of its own. ``overlay``: its network (`tests.interop.desktop.world`)."""
    async with desktop(shots, overlay) as screen:
        program = Gajim(screen)
        await program.start()
        yield program
