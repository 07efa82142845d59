"""Clients that mean harm, or are broken: each kind as a coroutine that goes on until it is cancelled.

What the server says to them is counted in ``answers``: the conditions of stream errors, and ``closed``
where a connection ended without one.

    python -m tests.chaos.hostile KIND PORTS ACCOUNTS CROWD

runs one until its standard input ends, and says what was answered several times a second, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import ssl
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

_CONDITION = re.compile(rb"<stream:error[^>]*><([a-z-]+)")
_HEAD = (
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
#: The beginning of a TLS record with a ClientHello that never ends.
_HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)


class Ports(NamedTuple):
    """Where the server listens: STARTTLS, TLS, HTTP, HTTPS."""

    xmpp: int
    xmpps: int
    http: int
    https: int


class Hostile:
    """``accounts``: names to log in with, password ``pw``. ``crowd``: how many connections are held."""

    def __init__(self, ports: Ports, accounts: list[str], crowd: int) -> None:
        self.ports = ports
        self.accounts = accounts
        self.crowd = crowd
        self.answers: Counter[str] = Counter()
        self.opened = 0

    # -- tools ------------------------------------------------------------------------------------

    async def connect(
        self, port: int, limit: int = 65536
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.opened += 1
        return await asyncio.open_connection("127.0.0.1", port, limit=limit)

    async def login(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A session of an account, available."""
        user = self.accounts[number % len(self.accounts)]
        reader, writer = await self.connect(self.ports.xmpp)
        token = b64encode(f"\0{user}\0pw".encode()).decode()
        for text, mark in (
            (_HEAD, b"</stream:features>"),
            (f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", b"<success"),
            (_HEAD, b"</stream:features>"),
            (
                f"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                f"<resource>r{number}</resource></bind></iq>",
                b"</iq>",
            ),
        ):
            writer.write(text.encode())
            async with asyncio.timeout(60):
                await reader.readuntil(mark)
        writer.write(b"<presence/>")
        return reader, writer

    async def outcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads to the end, and notes why it came."""
        data = b""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(600):
                while part := await reader.read(65536):
                    data = (data + part)[-4096:]
        found = _CONDITION.search(data)
        self.answers[found[1].decode() if found else "closed"] += 1
        writer.transport.abort()

    async def send_and_see(self, data: bytes, login: bool, number: int) -> None:
        """Sends something until the stream ends."""
        reader, writer = await self.login(number) if login else await self.connect(self.ports.xmpp)
        seen = asyncio.create_task(self.outcome(reader, writer))
        with contextlib.suppress(OSError):
            if not login:
                writer.write(_HEAD.encode())
            for start in range(0, len(data), 65536):
                writer.write(data[start : start + 65536])
                await writer.drain()
                if seen.done():
                    break
        await seen

    async def repeat(self, make: Callable[[int], Awaitable[None]], together: int) -> None:
        """Does it again and again, so many at the same time, each with its number."""

        async def again(number: int) -> None:
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                    await make(number)
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            for number in range(together):
                group.create_task(again(number))

    async def hold(self, port: int, count: int, say: bytes = b"", pause: float = 0.0) -> None:
        """Opens so many connections, says something on each, and waits. Opens those again that end."""

        async def one() -> None:
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await self.connect(port, 1024)
                    writer.write(say)
                    await self.outcome(reader, writer)
                await asyncio.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one())
                if number % 50 == 0:
                    await asyncio.sleep(pause)

    # -- what is too large, or not XML ------------------------------------------------------------------

    async def large_stanzas(self) -> None:
        """10 MB in one."""
        data = b"<message to='nobody@localhost'><body>" + b"x" * 10_000_000 + b"</body></message>"
        await self.repeat(lambda number: self.send_and_see(data, True, number), 4)

    async def large_before_login(self) -> None:
        data = b"<iq type='get' id='1'><q xmlns='x'>" + b"x" * 10_000_000
        await self.repeat(lambda number: self.send_and_see(data, False, number), 4)

    async def tiny_elements(self) -> None:
        """A million in one stanza."""
        data = b"<message to='nobody@localhost'>" + b"<a/>" * 1_000_000 + b"</message>"
        await self.repeat(lambda number: self.send_and_see(data, True, number), 4)

    async def many_tiny_elements(self) -> None:
        """As many as are allowed in each of many stanzas."""
        data = b"<message to='nobody@localhost'>" + b"<a/>" * 16_000 + b"</message>"
        await self.repeat(lambda number: self.send_and_see(data * 200, True, number), 4)

    async def deep_nesting(self) -> None:
        data = b"<message to='nobody@localhost'>" + b"<a>" * 100_000
        await self.repeat(lambda number: self.send_and_see(data, True, number), 4)

    async def entity_bombs(self) -> None:
        """A billion laughs."""
        entities = b"".join(b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
        data = b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY l0 'lol'>" + entities + b"]><s>&l9;</s>"

        async def one(number: int) -> None:
            reader, writer = await self.connect(self.ports.xmpp)
            writer.write(data)
            await self.outcome(reader, writer)

        await self.repeat(one, 8)

    async def entities_in_a_stream(self) -> None:
        data = b"<message to='nobody@localhost'><body>&lol;</body></message>"
        await self.repeat(lambda number: self.send_and_see(data, True, number), 4)

    async def invalid_text(self) -> None:
        """Bytes that are no UTF-8."""
        data = b"<message to='nobody@localhost'><body>\xc3\x28 \xff\xfe</body></message>"
        await self.repeat(lambda number: self.send_and_see(data, True, number), 4)

    async def long_addresses(self) -> None:
        """Stanzas to addresses of 8000 bytes: errors to each; the stream goes on."""

        async def one(number: int) -> None:
            reader, writer = await self.login(number)
            address = "a" * 8000
            for _ in range(200):
                writer.write(f"<message to='{address}@localhost/{address[:100]}'><body/></message>".encode())
                async with asyncio.timeout(60):
                    found = await reader.readuntil(b"</message>")
                self.answers["jid-malformed" if b"<jid-malformed" in found else "other"] += 1
            writer.transport.abort()

        await self.repeat(one, 4)

    # -- those who hold connections -----------------------------------------------------------------------

    async def silent(self) -> None:
        """Connections on which nothing is said."""
        await self.hold(self.ports.xmpp, self.crowd)

    async def headers_only(self) -> None:
        """Streams that begin and go no further."""
        await self.hold(self.ports.xmpp, self.crowd // 2, _HEAD.encode())

    async def half_handshakes(self) -> None:
        """TLS that begins and does not go on."""
        await self.hold(self.ports.xmpps, self.crowd // 2, _HALF_HELLO)

    async def half_starttls(self) -> None:
        ask = _HEAD + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        await self.hold(self.ports.xmpp, self.crowd // 2, ask.encode())

    async def half_requests(self) -> None:
        """HTTP heads without an end."""
        await self.hold(self.ports.http, self.crowd // 2, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")

    async def half_bodies(self) -> None:
        """HTTP requests whose body never comes."""
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nx"
        await self.hold(self.ports.http, self.crowd // 2, head)

    async def handshakes(self) -> None:
        """TLS connections that are made and thrown away."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

        async def one(number: int) -> None:
            self.opened += 1
            _, writer = await asyncio.open_connection("127.0.0.1", self.ports.xmpps, ssl=context)
            writer.transport.abort()
            self.answers["done"] += 1

        await self.repeat(one, 50)

    # -- those who do not read -------------------------------------------------------------------------------

    async def never_reading(self) -> None:
        """Receivers that read nothing, while others write to them."""
        await self._unread(0)

    async def reading_slowly(self) -> None:
        """Receivers that read a byte a second."""
        await self._unread(1)

    async def _unread(self, portion: int) -> None:
        receivers = max(1, len(self.accounts) // 2)

        async def receive(number: int) -> None:
            _, writer = await self.login(number)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            try:
                sock = writer.transport.get_extra_info("socket")
                while not writer.transport.is_closing():
                    await asyncio.sleep(1)
                    if portion:
                        sock._sock.recv(portion)
                    writer.write(b" ")
                    await writer.drain()
            finally:
                self.answers["closed"] += 1
                writer.transport.abort()

        async def send(number: int) -> None:
            reader, writer = await self.login(receivers + number)
            body = b"x" * 20_000
            skip = asyncio.create_task(self._skip(reader))
            try:
                while not skip.done():
                    for other in range(receivers):
                        to = self.accounts[other].encode()
                        writer.write(b"<message to='%b@localhost'><body>%b</body></message>" % (to, body))
                        await writer.drain()
            finally:
                skip.cancel()
                writer.transport.abort()

        async with asyncio.TaskGroup() as group:
            group.create_task(self.repeat(receive, receivers))
            group.create_task(self.repeat(send, len(self.accounts) - receivers))

    async def _skip(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65536):
            pass


KINDS = {
    name: method
    for name, method in vars(Hostile).items()
    if not name.startswith("_")
    and name not in ("connect", "login", "outcome", "send_and_see", "repeat", "hold")
}


async def run(hostile: Hostile, kind: str) -> None:
    """Until nobody wants it any more."""
    task = asyncio.create_task(getattr(hostile, kind)())
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        print(json.dumps({"opened": hostile.opened, "answers": hostile.answers}), flush=True)
        await asyncio.wait([ended, task], timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            break
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()  # what went wrong


def main() -> None:
    kind, ports, accounts, crowd = sys.argv[1:5]
    os.nice(19)  # what is measured is the server, not who gets a core
    asyncio.run(run(Hostile(Ports(*map(int, ports.split(","))), accounts.split(","), int(crowd)), kind))


if __name__ == "__main__":
    main()
