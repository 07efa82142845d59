"""Connections that are gone leave no memory behind, however many come and go."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import RunningServer, running

TOGETHER = 300
ROUNDS = 5
#: What a connection may leave: it had 30 KB in TLS, or 64 KB of a stanza.
LEFT = 6 * 1024
HEAD = (
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
#: The beginning of a TLS record with a ClientHello that never ends.
HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)
TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE
Connect = Callable[[RunningServer], Awaitable[asyncio.StreamWriter]]


async def handshake(server: RunningServer) -> asyncio.StreamWriter:
    return (await asyncio.open_connection("127.0.0.1", server.xmpps_port, ssl=TRUSTING))[1]


async def half_a_handshake(server: RunningServer) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", server.xmpps_port)
    writer.write(HALF_HELLO)
    await writer.drain()
    return writer


async def half_starttls(server: RunningServer) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{HEAD}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".encode())
    await reader.readuntil(b"<proceed")
    writer.write(HALF_HELLO)
    await writer.drain()
    return writer


async def half_a_stanza(server: RunningServer) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{HEAD}<iq type='get' id='1'><q xmlns='x'>".encode() + b"x" * 60_000)
    await reader.readuntil(b"</stream:features>")
    return writer


@pytest.mark.parametrize("connect", [handshake, half_a_handshake, half_starttls, half_a_stanza])
async def test_connections_that_come_and_go_leave_no_memory_behind(tmp_path: Path, connect: Connect) -> None:
    with running(tmp_path / "data") as server:
        process = psutil.Process(server.pid)
        gate = asyncio.Semaphore(20)

        async def one() -> asyncio.StreamWriter:
            async with gate:
                return await connect(server)

        async def come_and_go() -> None:
            writers = await asyncio.gather(*(one() for _ in range(TOGETHER)))
            for writer in writers:
                writer.transport.abort()

        await come_and_go()  # what the first ones need stays for the next
        await asyncio.sleep(1)
        before = process.memory_info().rss
        for _ in range(ROUNDS):
            await come_and_go()
        bound = before + TOGETHER * ROUNDS * LEFT
        deadline = time.monotonic() + 25  # sooner than they would be looked at for their silence
        while process.memory_info().rss > bound:
            assert time.monotonic() < deadline, f"{(process.memory_info().rss - before) >> 20} MB are left"
            await asyncio.sleep(0.2)
