"""Profanity (Debian's, with OMEMO) in a pseudo-terminal, told what to do by typing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pexpect

_Found = TypeVar("_Found")

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?>]*[A-Za-z]|[()][A-Z0-9]|[=>78]|\][^\x07]*\x07)|[\x0e\x0f]")
_PREFERENCES = """
[connection]
carbons=true
reconnect=1

[omemo]
log=on
policy=automatic
trustmode={trustmode}

[logging]
chlog=true

[ui]
splash=false
beep=false
flash=false

[notifications]
message=off
"""


class Profanity:
    """Profanity with a home of its own. ``screen`` is what it has written to the terminal so far."""

    def __init__(self, home: Path, trustmode: str) -> None:
        program = shutil.which("profanity")
        assert program, "profanity is missing: `make test` installs it (debian-packages.txt)"
        self.home = home
        config = home / "config" / "profanity"
        if not config.exists():
            config.mkdir(parents=True)
            (config / "profrc").write_text(_PREFERENCES.format(trustmode=trustmode))
        environ = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PATH": os.environ["PATH"],
        }
        self.screen = ""
        self._child = pexpect.spawn(program, ["-l", "DEBUG"], env=environ, dimensions=(50, 180))  # type: ignore[arg-type]
        asyncio.get_running_loop().add_reader(self._child.child_fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._child.child_fd, 65536)
        except OSError:  # the terminal closes with its program
            data = b""
        if data:
            self.screen += _ESCAPES.sub("", data.decode(errors="replace"))
        else:
            asyncio.get_running_loop().remove_reader(self._child.child_fd)

    def type(self, line: str) -> None:
        """Types a line and presses enter."""
        self._child.send(f"{line}\r")

    async def shows(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Waits until the terminal was sent something that matches; all before it is forgotten."""
        found = await self._wait(lambda: re.search(pattern, self.screen), pattern, timeout)
        self.screen = self.screen[found.end() :]
        return found

    async def logs(self, pattern: str, after: int = 0, timeout: float = 60) -> None:
        """Waits until the debug log, behind that many characters, has something that matches."""
        await self._wait(lambda: re.search(pattern, self.log[after:]), pattern, timeout)

    async def notes(self, pattern: str, timeout: float = 60) -> None:
        """Waits until a conversation has a line that matches."""
        await self._wait(lambda: re.search(pattern, self.chats), pattern, timeout)

    async def _wait(self, look: Callable[[], _Found | None], pattern: str, timeout: float) -> _Found:
        try:
            async with asyncio.timeout(timeout):
                while (found := look()) is None:
                    await asyncio.sleep(0.05)
                return found
        except TimeoutError:
            raise AssertionError(f"no {pattern!r}\n{self.screen[-2000:]}\n{self.log[-4000:]}") from None

    async def log_in(self, jid: str, port: int) -> None:
        """Connects over STARTTLS and waits until it is online, and knows what the server can do."""
        await self.shows("Type '/help'")
        before = len(self.log)
        self.type(f"/connect {jid} server 127.0.0.1 port {port} tls trust")
        await self.shows("Enter password")
        self.type("pw")
        await self.shows("logged in successfully")
        # keys that are published before it knows are for contacts only
        await self.logs(f"connection_features_received {jid.partition('@')[2]}", after=before)

    async def make_keys(self) -> None:
        """Makes OMEMO keys and publishes them."""
        self.type("/omemo gen")
        await self.shows("Your Device ID is")
        await self.logs(r'RECV: <iq [^>]*type="result"[^>]*><pubsub [^>]*><publish node="[^"]*devicelist"')

    async def encrypt(self, peer: str, devices: int = 1) -> None:
        """Opens an encrypted conversation, once there is a session with that many devices of the peer."""
        self.type(f"/omemo start {peer}")
        session = rf"Starting device session for {re.escape(peer)} with device (\d+)"
        await self._wait(lambda: len(set(re.findall(session, self.log))) >= devices or None, session, 60)
        await self.shows(r"\[OMEMO\]")

    @property
    def log(self) -> str:
        """Its debug log, with the stanzas."""
        files = sorted((self.home / "data" / "profanity" / "logs").glob("*.log"))
        return "".join(file.read_text(errors="replace") for file in files)

    @property
    def chats(self) -> str:
        """Its logs of all conversations."""
        files = sorted((self.home / "data" / "profanity" / "chatlogs").rglob("*.log"))
        return "".join(file.read_text(errors="replace") for file in files)

    async def end(self) -> None:
        """Quits as a person would."""
        if self._child.isalive():
            self.type("/quit")
            await self._gone()

    async def _gone(self) -> None:
        for _ in range(60):
            if not self._child.isalive():
                break
            await asyncio.sleep(0.05)
        else:
            self._child.kill(signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(self._child.child_fd)
        self._child.close(force=True)


@asynccontextmanager
async def profanity(home: Path, trustmode: str = "blind") -> AsyncIterator[Profanity]:
    """A running Profanity; it quits at the end."""
    program = Profanity(home, trustmode)
    try:
        yield program
    finally:
        await program.end()
