"""Clients without windows: mcabber and poezio in terminals, programs with aioxmpp, mellium and tokio-xmpp."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pexpect

from tests.interop.chatting import eventually

CLIENTS = Path(__file__).parent / "clients"
_NOBODY = 65534
_MCABBER = """set jid = {account}
set password = pw
set server = 127.0.0.1
set port = {port}
set tls = 1
set ssl_ignore_checks = 1
set logging = 1
set logging_dir = {home}/logs/
set fifo_name = {home}/fifo
module load fifo
"""
_POEZIO = """[Poezio]
jid={account}
password=pw
custom_host=127.0.0.1
custom_port={port}
ca_cert_path={home}/authority.pem
log_dir={home}/logs
"""


def built(name: str) -> Path:
    """A program of `scripts/interop-clients.sh`."""
    program = CLIENTS / "bin" / name
    assert program.exists(), f"{program} is missing: `make test` builds it (scripts/interop-clients.sh)"
    return program


def become_nobody() -> None:
    """In a child process: poezio does not run as root."""
    if os.geteuid() == 0:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


@contextlib.contextmanager
def home_of_nobody() -> Iterator[Path]:
    """A folder of somebody who is not root."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, _NOBODY, _NOBODY)
        yield Path(name)


class Lines:
    """A program that sends each line of its standard input, and prints what it receives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.printed: list[str] = []

    async def read(self) -> None:
        """Takes what it prints, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.printed.append(line.decode().rstrip("\n"))

    async def logged_in(self) -> str:
        """Waits until it is online. Returns its address."""

        async def is_online() -> bool:
            return bool(self.printed)

        await eventually(is_online, True)
        word, _, address = self.printed[0].partition(" ")
        assert word == "online"
        return address

    async def say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    async def reads(self, *texts: str) -> None:
        async def received() -> list[str]:
            return [line for line in self.printed if line.startswith("message ")]

        await eventually(received, [f"message {text}" for text in texts])

    async def end(self) -> int:
        """Closes its standard input. Returns its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._process.wait()


@asynccontextmanager
async def lines(
    name: str, log: Path, account: str, port: int, authority: Path, peer: str
) -> AsyncIterator[Lines]:
    """One of the small programs, logged in. ``log``: for what it says besides."""
    command = (
        ["/usr/bin/python3", str(CLIENTS / "aioxmpp" / "main.py")]
        if name == "aioxmpp"
        else [str(built(name))]
    )
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(*command, account, "pw", f"127.0.0.1:{port}", str(authority), peer),
            env={**os.environ, "SSL_CERT_FILE": str(authority)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    made = Lines(process)
    reading = asyncio.create_task(made.read())
    try:
        await made.logged_in()
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await reading
        await process.wait()


class Terminal:
    """A program in a pseudo-terminal; it is ended at the end."""

    def __init__(self, home: Path, command: list[str]) -> None:
        program = shutil.which(command[0], path="/usr/bin:/bin")
        assert program, f"{command[0]} is missing: `make test` installs it (debian-packages.txt)"
        self.home = home
        if os.geteuid() == 0:
            for path in home.iterdir():
                os.chown(path, _NOBODY, _NOBODY)
        folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        self._child = pexpect.spawn(
            program,
            command[1:],
            env={**folders, "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"},  # type: ignore[arg-type]
            dimensions=(40, 120),
            preexec_fn=become_nobody,
        )
        self._reading = asyncio.create_task(
            asyncio.to_thread(self._child.read)
        )  # or it waits for a full terminal

    async def type(self, *keys: str) -> None:
        """Types texts, with a pause after each: a program may take what comes at once for pasted."""
        for part in keys:
            self._child.send(part)
            await asyncio.sleep(0.3)

    async def end(self) -> None:
        self._child.close(force=True)
        await asyncio.gather(self._reading, return_exceptions=True)


class Mcabber(Terminal):
    """mcabber, told what to do by its FIFO. It would come back by itself after 80 seconds."""

    def __init__(self, home: Path, account: str, port: int, peer: str) -> None:
        self._peer = peer
        self._fifo = home / "fifo"
        (home / "logs").mkdir(mode=0o700)
        (home / "mcabberrc").write_text(_MCABBER.format(account=account, port=port, home=home))
        (home / "mcabberrc").chmod(0o600)
        super().__init__(home, ["mcabber", "-f", str(home / "mcabberrc")])

    async def command(self, line: str) -> None:
        """One command, without the slash."""

        async def listens() -> bool:
            return self._fifo.exists()

        await eventually(listens, True)
        with os.fdopen(os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK), "w") as fifo:
            fifo.write(f"{line}\n")

    async def say(self, text: str) -> None:
        await self.command(f"say_to {self._peer} {text}")

    async def reads(self, *texts: str) -> None:
        log = self.home / "logs" / self._peer

        async def found() -> list[str]:
            if not log.exists():
                return []
            return re.findall(r"^MR \S+ \d+ (.*)$", log.read_text(), re.MULTILINE)

        await eventually(found, list(texts))


class Poezio(Terminal):
    """poezio, by its keyboard and its logs."""

    def __init__(self, home: Path, account: str, port: int, peer: str, authority: Path) -> None:
        self._peer = peer
        self._open = False  # whether the conversation is on the screen
        (home / "authority.pem").write_bytes(authority.read_bytes())
        (home / "poezio.cfg").write_text(_POEZIO.format(account=account, port=port, home=home))
        super().__init__(home, ["poezio", "-f", str(home / "poezio.cfg")])

    async def say(self, text: str) -> None:
        if self._open:
            await self.type(text, "\r")
        else:
            await self.type("/", f"message {self._peer} {text}", "\r")
        self._open = True

    async def reads(self, *texts: str) -> None:
        log = self.home / "logs" / self._peer
        name = re.escape(self._peer.partition("@")[0])

        async def found() -> list[str]:
            text = log.read_text() if log.exists() else ""
            return re.findall(rf"^MR \S+ \d+ <{name}>\s+(.*)$", text, re.MULTILINE)

        await eventually(found, list(texts))
