"""Dino, Psi+ and Kaidan (Debian's) on virtual screens, each with one conversation open.

Each is set up by its own files, as it would be after somebody has logged in. The places on the screen, of
1100 by 720 pixels, are those under matchbox as the window manager, which shows one window at a time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image, ImageChops

from tests.interop.chatting import eventually
from tests.interop.desktop import Desktop, desktop

_PSI = """<!DOCTYPE accounts>
<accounts version="1.4" xmlns="http://psi-im.org/options">
 <accounts>
  <a0>
   <name type="QString">home</name>
   <id type="QString">{{5b0f9b2a-8a8b-4d5c-9a3e-0123456789ab}}</id>
   <enabled type="bool">true</enabled>
   <auto type="bool">true</auto>
   <reconn type="bool">true</reconn>
   <jid type="QString">{account}</jid>
   <password type="QString">{password}</password>
   <opt-pass type="bool">true</opt-pass>
   <use-host type="bool">true</use-host>
   <host type="QString">{host}</host>
   <port type="int">5222</port>
   <ssl type="QString">auto</ssl>
  </a0>
 </accounts>
</accounts>
"""
_PSI_OPTIONS = """<!DOCTYPE options>
<options version="1.4" xmlns="http://psi-im.org/options">
 <options>
  <keychain><enabled type="bool">false</enabled></keychain>
  <p2p><bytestreams><listen-port type="int">0</listen-port></bytestreams></p2p>
 </options>
</options>
"""
_KAIDAN = """[auth]
jid={account}
password={password}
online=true
"""
_DINO = """
CREATE TABLE account (
  id INTEGER PRIMARY KEY AUTOINCREMENT, bare_jid TEXT NOT NULL UNIQUE, resourcepart TEXT, password TEXT,
  alias TEXT, enabled INTEGER, roster_version TEXT, mam_earliest_synced INTEGER)
"""


class Window:
    """A client on a screen. Its account and the peer are contacts, and the account has a vCard."""

    #: The file in its home that has the messages, and a query for the texts of the received ones, in order.
    messages: tuple[str, str]

    def __init__(self, screen: Desktop, account: str, peer: str) -> None:
        self.screen = screen
        self.account = account
        self.peer = peer

    @staticmethod
    def set_up(home: Path, account: str, address: str) -> None:
        """Writes its files: the account, its password ``pw``, and the address of the server."""
        raise NotImplementedError

    async def open(self) -> None:
        """Starts it and opens the conversation."""
        raise NotImplementedError

    async def texts(self) -> list[str]:
        """What the peer wrote, as it has it on the disk."""
        file, query = self.messages
        path = self.screen.home / file
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [text for (text,) in database.execute(query, {"peer": self.peer})]

    async def reads(self, *texts: str) -> None:
        await eventually(self.texts, list(texts))

    async def say(self, text: str) -> None:
        """Writes a message."""
        await self.screen.type(text)
        await self.screen.press("Return")


class Dino(Window):
    messages = (".local/share/dino/dino.db", "SELECT body FROM message WHERE direction = 0 ORDER BY id")

    @staticmethod
    def set_up(home: Path, account: str, address: str) -> None:
        folder = home / ".local" / "share" / "dino"
        folder.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "dino.db")) as database, database:
            database.execute(_DINO)
            database.execute(
                "INSERT INTO account (bare_jid, resourcepart, password, alias, enabled)"
                " VALUES (?, 'dino', 'pw', '', 1)",
                (account,),
            )

    async def open(self) -> None:
        await self.screen.start("dino-im", f"xmpp:{self.peer}?message")
        await self.screen.sees("frame", "DinoUiMainWindow")

    async def choose_omemo(self) -> None:
        """Chooses the last entry of the menu behind the lock: GTK 4 tells nobody where its widgets are.

        Callers look whether it has worked, since nothing says when the menu is there.
        """
        await self.screen.point(1063, 683)
        await asyncio.sleep(0.8)
        await self.screen.picture("menu")  # moves the mouse away, which would choose too
        for key in ("Down", "Down", "Return"):
            await self.screen.press(key)
        await asyncio.sleep(0.8)
        await self.screen.press("Escape")
        await asyncio.sleep(0.3)

    async def attach(self, file: Path) -> None:
        """Chooses a file to send; Return sends it then."""
        before = await self.screen.picture("before")
        await self.screen.point(338, 683)
        await self._changes(before)
        await self.screen.type(str(file))
        await asyncio.sleep(0.8)
        typed = await self.screen.picture("typed")
        await self.screen.press("Return")
        await self._changes(typed)

    async def _changes(self, before: Path) -> None:
        """Waits until a screenshot shows another window: more than a cursor that blinks."""
        with Image.open(before) as one:
            old = one.convert("L").resize((220, 144))
        async with asyncio.timeout(60):
            while True:
                with Image.open(await self.screen.picture("after")) as one:
                    new = one.convert("L").resize((220, 144))
                if sum(ImageChops.difference(old, new).histogram()[16:]) > 220 * 144 // 20:
                    return


class Psi(Window):
    async def texts(self) -> list[str]:
        """What the peer wrote, as it is on the screen; its history gets to the disk later."""
        (shown,) = await self.screen.do("see", role="text", pattern="\\*\\*\\* ") or [[""]]
        return re.findall(rf"<{re.escape(self.peer)}> (.*?)[ \ufffc]*$", shown[0], re.MULTILINE)

    @staticmethod
    def set_up(home: Path, account: str, address: str) -> None:
        folder = home / ".config" / "psi+" / "profiles" / "default"
        folder.mkdir(parents=True)
        password = "".join(f"{ord(a) ^ ord(b):04x}" for a, b in zip("pw", account, strict=False))
        (folder / "accounts.xml").write_text(_PSI.format(account=account, password=password, host=address))
        (folder / "options.xml").write_text(_PSI_OPTIONS)

    async def open(self) -> None:
        command = ("psi-plus", "--profile=default")
        await self.screen.start(*command)
        await self.screen.sees("table cell", "^somebody$")  # it is online
        await self.screen.start(*command, "--remote", f"--uri=xmpp:{self.peer}?message;type=chat")


class Kaidan(Window):
    messages = (
        ".local/share/kaidan/messages.sqlite3",
        # distinct: it may keep what comes while it reads the archive at its start twice, the second time
        # without the id that the archive has for it
        "SELECT message FROM (SELECT DISTINCT id, message, timestamp FROM Messages WHERE author = :peer)"
        " ORDER BY timestamp",
    )

    @staticmethod
    def set_up(home: Path, account: str, address: str) -> None:
        folder = home / ".config" / "kaidan"
        folder.mkdir(parents=True)
        password = base64.b64encode(b"pw").decode()
        (folder / "kaidan.conf").write_text(_KAIDAN.format(account=account, password=password))

    async def open(self) -> None:
        await self.screen.start("kaidan")

    async def say(self, text: str) -> None:
        for place in ((150, 90), (700, 694)):  # the only contact; the field below the conversation
            await self.screen.point(*place)
            await asyncio.sleep(1)  # nothing tells when it is ready for keys
        await super().say(text)


@asynccontextmanager
async def window(
    kind: type[Window], folder: Path, overlay: Path, address: str, account: str, peer: str
) -> AsyncIterator[Window]:
    """A client with its conversation. ``overlay``: its network (`tests.interop.desktop.world`)."""
    kind.set_up(folder / "files", account, address)
    async with desktop(folder, overlay, folder / "files") as screen:
        made = kind(screen, account, peer)
        await made.open()
        yield made
