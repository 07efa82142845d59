"""A server to measure, and clients of hand-made bytes to measure it with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
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
        async with asyncio.timeout(60):
            while mark not in self.buffer:
                self.news.clear()
                await self.news.wait()
        buffer, self.buffer = self.buffer, b""
        return buffer

    def write(self, text: str) -> None:
        self.transport.write(text.encode())

    async def login(self, port: int) -> Peer:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        token = base64.b64encode(f"\0{self.user}\0secret".encode()).decode()
        for text, mark in (
            (HEAD, b"</stream:features>"),
            (f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", b"<success"),
            (HEAD, b"</stream:features>"),
            (BIND, b"</iq>"),
            ("<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>", b"id='p'"),
        ):
            self.write(text)
            await self.until(mark)
        return self


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **settings: str) -> Mapping[str, str]:
    """The settings of a server on loopback, without TLS, on a free port, with its data in ``folder``."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")}
    fixed = {
        "data_dir": str(folder),
        "listen": "127.0.0.1",
        "xmpp_port": str(free_port()),
        "xmpps_port": "0",
        "http_port": "0",
        "https_port": "0",
        "allow_plaintext": "on",
    }
    return own | {f"KITH_{name.upper()}": value for name, value in (fixed | settings).items()}


def add_users(environ: Mapping[str, str], count: int) -> None:
    """Accounts ``u0``, ``u1`` and so on, with the password ``secret``."""
    names = Path(environ["KITH_DATA_DIR"]) / "users.csv"
    names.write_text("jid,password\n" + "".join(f"u{n}@localhost,secret\n" for n in range(count)))
    subprocess.run([*KITH, "user", "import", str(names)], env=dict(environ), check=True)


@contextlib.contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[psutil.Process]:
    """The server on one core and the load, which is this process, on another where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    pin = ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[1]})
    process = subprocess.Popen([*pin, *KITH, "serve"], env=dict(environ), stdout=subprocess.DEVNULL)
    try:
        _wait(int(environ["KITH_XMPP_PORT"]))
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)
        os.sched_setaffinity(0, set(cores))


def _wait(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the server does not listen")
