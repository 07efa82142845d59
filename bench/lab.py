"""A server to measure, and clients of hand-made bytes to measure it with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

KITH = [sys.executable, "-m", "kith"]
HEAD = (
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
BIND = (
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
)
PLAIN = "<body>" + "the quick brown fox jumps over the lazy dog " * 4 + "</body>"
OMEMO = (
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>"
    f"<key rid='2'>{'k' * 176}</key><key rid='3'>{'k' * 176}</key><iv>aaaaaaaaaaaaaaaa</iv></header>"
    f"<payload>{'p' * 280}</payload></encrypted>"
    "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
    "<store xmlns='urn:xmpp:hints'/>"
)

_TRUSTING = ssl._create_unverified_context()


class Peer(asyncio.Protocol):
    """A client; after `login`, ``on_data`` gets what comes."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.buffer = b""
        self.news = asyncio.Event()
        self.on_data = self.gather

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.on_data(data)

    def gather(self, data: bytes) -> None:
        self.buffer += data
        self.news.set()

    async def until(self, mark: bytes) -> bytes:
        """All that has come up to the mark and a bit beyond."""
        async with asyncio.timeout(300):
            while mark not in self.buffer:
                self.news.clear()
                await self.news.wait()
        buffer, self.buffer = self.buffer, b""
        return buffer

    def write(self, text: str) -> None:
        self.transport.write(text.encode())

    async def open(self, port: int, tls: bool = False) -> None:
        """A stream, encrypted by STARTTLS if ``tls``."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port)
        await self.say(HEAD, b"</stream:features>")
        if tls:
            await self.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed")
            transport = await loop.start_tls(self.transport, self, _TRUSTING)  # type: ignore[arg-type]
            assert transport is not None
            self.transport = transport
            await self.say(HEAD, b"</stream:features>")

    async def say(self, text: str, mark: bytes) -> bytes:
        """Writes, and waits for what answers it."""
        self.write(text)
        return await self.until(mark)

    async def login(self, port: int, *, tls: bool = False, presence: bool = True) -> Peer:
        await self.open(port, tls)
        token = base64.b64encode(f"\0{self.user}\0secret".encode()).decode()
        await self.say(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", b"<success"
        )
        await self.say(HEAD, b"</stream:features>")
        await self.say(BIND, b"</jid>")
        if presence:
            self.write("<presence/>")
        await self.fence()
        return self

    async def fence(self) -> None:
        """Waits until the server has handled all that was written."""
        await self.say(
            "<iq type='get' id='fence' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", b"fence"
        )


async def log_in(port: int, users: Iterable[int], *, tls: bool = False, presence: bool = True) -> list[Peer]:
    """Many, fifty at a time."""
    gate = asyncio.Semaphore(50)

    async def one(number: int) -> Peer:
        async with gate:
            return await Peer(f"u{number}").login(port, tls=tls, presence=presence)

    return list(await asyncio.gather(*map(one, users)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **settings: str) -> Mapping[str, str]:
    """The settings of a server on loopback, without TLS, on a free port, with its data in ``folder``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
    fixed = {
        "config": "/dev/null",
        "data_dir": str(folder),
        "listen": "127.0.0.1",
        "xmpp_port": str(free_port()),
        "xmpps_port": "0",
        "http_port": "0",
        "https_port": "0",
        "media_http_port": "0",
        "media_https_port": "0",
        "allow_plaintext": "on",
    }
    return own | {f"KITH_{name.upper()}": value for name, value in (fixed | settings).items()}


def add_users(environ: Mapping[str, str], count: int) -> None:
    """Accounts ``u0``, ``u1`` and so on, with the password ``secret``."""
    names = Path(environ["KITH_DATA_DIR"]) / "users.csv"
    names.write_text("jid,password\n" + "".join(f"u{n}@localhost,secret\n" for n in range(count)))
    subprocess.run([*KITH, "user", "import", str(names)], env=dict(environ), check=True)


def _clock(pid: int) -> int:
    """The clock of another process's CPU (clock_getcpuclockid(3)), finer than the ticks of /proc."""
    return (~pid << 3) | 2


@dataclass(frozen=True)
class Server:
    """A server to measure: Kith, or another. ``secure``, ``https``: its ports with TLS, if it has them."""

    name: str
    port: int
    process: psutil.Process
    secure: int = 0
    https: int = 0

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of CPU that it has used, with all its processes."""
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(OSError):  # it has ended
                total += time.clock_gettime(_clock(process.pid))
        return total

    def memory(self) -> int:
        """Bytes of memory that are resident."""
        return sum(process.memory_info().rss for process in self._tree())


def on_core() -> list[str]:
    """What to start a server with, so that it has the first core to itself, where there is another."""
    cores = sorted(os.sched_getaffinity(0) | _elsewhere)
    return ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []


_elsewhere: set[int] = set()


@contextlib.contextmanager
def load_on_other_core() -> Iterator[None]:
    """The load, which is this process, keeps off the server's core."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        _elsewhere.update(cores)
        os.sched_setaffinity(0, cores - {min(cores)})
    try:
        yield
    finally:
        _elsewhere.clear()
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Kith on one core and the load on another where there are two."""
    with load_on_other_core():
        process = subprocess.Popen([*on_core(), *KITH, "serve"], env=dict(environ), stdout=subprocess.DEVNULL)
        try:
            listening(int(environ["KITH_XMPP_PORT"]))
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def kith(folder: Path, users: int, **settings: str) -> Iterator[Server]:
    """Kith as it ships: the archive on for both sides, every commit synced before a message is delivered."""
    folder.mkdir(exist_ok=True)
    environ = environment(folder, **settings)
    add_users(environ, users)
    with serving(environ) as process:
        port, secure, https = (int(environ[f"KITH_{name}_PORT"]) for name in ("XMPP", "XMPPS", "HTTPS"))
        yield Server("Kith", port, process, secure, https)


def listening(port: int) -> None:
    """Waits until somebody listens on a port of the loopback."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the server does not listen")
