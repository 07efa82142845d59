"""A connection that is gone leaves nothing behind, whatever carried it and however it ended."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import RunningServer, running
from tests.raw import RawClient

Meet = Callable[[RunningServer], Awaitable[None]]
MIB = 2**20


TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


async def handshake_only(server: RunningServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.xmpps_port, ssl=TRUSTING)
    writer.transport.abort()


async def half_a_handshake(server: RunningServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.xmpps_port)
    writer.write(bytes.fromhex("1603010200010001fc0303") + bytes(64))
    await writer.drain()
    writer.transport.abort()


async def direct_tls(server: RunningServer) -> None:
    """Logs in, and goes without a word."""
    client = RawClient(server.xmpps_port)
    client.tls = TRUSTING
    await client.connect()
    await client.login("ada")
    await client.bind()
    client.abort()


async def starttls(server: RunningServer) -> None:
    """Closes the stream properly."""
    client = RawClient(server.port)
    await client.connect()
    client.open()
    await client.tag("features")
    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await client.tag("proceed")
    client._task.cancel()
    await client._writer.start_tls(TRUSTING)
    client._writer.write(b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' ")
    client._writer.write(b"version='1.0' xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>")
    with contextlib.suppress(OSError, ssl.SSLError):
        while await client._reader.read(65536):
            pass
    client._writer.transport.abort()


async def https(server: RunningServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.https_port, ssl=TRUSTING)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"ok\n")
    writer.transport.abort()


async def websocket(server: RunningServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.https_port, ssl=TRUSTING)
    writer.write(
        b"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: xmpp\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("meet", [handshake_only, half_a_handshake, direct_tls, starttls, https, websocket])
async def test_a_connection_that_is_gone_leaves_no_memory_behind(tmp_path: Path, meet: Meet) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("ada")
        process = psutil.Process(server.pid)

        async def repeat(times: int) -> int:
            """Returns the memory when all have gone."""
            for _ in range(times // 10):
                await asyncio.gather(*(meet(server) for _ in range(10)))
            async with asyncio.timeout(25):
                while any(c.status == "ESTABLISHED" for c in process.net_connections("tcp")):
                    await asyncio.sleep(0.05)
            return int(process.memory_info().rss)

        before = await repeat(100)
        after = await repeat(200)
        assert after - before < 2 * MIB, f"{(after - before) / 200 / 1024:.1f} KiB for each"
