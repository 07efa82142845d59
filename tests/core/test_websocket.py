"""RFC 7395: XMPP over WebSocket, one element for each message."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, fromstring

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import RunningServer
from tests.raw import body, online

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
OPEN = f"<open xmlns='{FRAMING}' to='localhost' version='1.0'/>"
SM = "urn:xmpp:sm:3"


class WebClient:
    """Elements in and out."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, text: str) -> None:
        await self.connection.send(text)

    async def take(self, name: str) -> Element:
        """The next element of that name; every message has to be a document of its own."""
        async with asyncio.timeout(25):
            while True:
                element = fromstring(await self.connection.recv())
                if element.tag.partition("}")[2] == name:
                    return element

    async def login(self, user: str, resource: str = "web") -> None:
        await self.authenticate(user)
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
        await self.send(f"<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")
        await self.take("iq")

    async def authenticate(self, user: str) -> None:
        await self.send(OPEN)
        assert (await self.take("open")).get("from") == "localhost"
        await self.take("features")
        token = base64.b64encode(f"\0{user}\0pw".encode()).decode()
        await self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        await self.take("success")
        await self.send(OPEN)
        await self.take("features")


def plain(server: RunningServer) -> connect:
    return connect(f"ws://127.0.0.1:{server.http_port}/xmpp-websocket", subprotocols=["xmpp"])


async def test_the_subprotocol_is_xmpp_and_tls_is_below(server: RunningServer) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    url = f"wss://127.0.0.1:{server.https_port}/xmpp-websocket"
    async with connect(url, subprotocols=["xmpp"], ssl=context) as connection:
        assert connection.subprotocol == "xmpp"
        client = WebClient(connection)
        await client.send(OPEN)
        await client.take("open")
        features = await client.take("features")
        names = [e.text for e in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
        assert {"SCRAM-SHA-256", "PLAIN"} <= set(names)
        assert not [name for name in names if name.endswith("-PLUS")]


async def test_a_cut_websocket_resumes_and_misses_nothing(server: RunningServer) -> None:
    for name in ("ada", "ben"):
        server.add_user(name)
    sender = await online(server.port, "ben")
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.login("ada")
        await client.send("<presence xmlns='jabber:client'/>")
        await client.send(f"<enable xmlns='{SM}' resume='true'/>")
        token = (await client.take("enabled")).get("id")
        sender.send("<message to='ada@localhost' type='chat'><body>one</body></message>")
        assert body(await client.take("message")) == "one"
        connection.transport.abort()
    sender.send("<message to='ada@localhost' type='chat'><body>two</body></message>")
    await sender.ping()
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.authenticate("ada")
        await client.send(f"<resume xmlns='{SM}' previd='{token}' h='1'/>")
        assert (await client.take("resumed")).get("h") is not None
        assert body(await client.take("message")) == "two"


async def test_closing_is_answered(server: RunningServer) -> None:
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.send(OPEN)
        await client.take("features")
        await client.send(f"<close xmlns='{FRAMING}'/>")
        await client.take("close")
        with pytest.raises(ConnectionClosed):
            await connection.recv()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<presence xmlns='jabber:client'/>", "bad-format"),
        ("<open", "not-well-formed"),
        (OPEN + OPEN, "not-well-formed"),
        ("<!-- hello -->", "restricted-xml"),
        (OPEN.replace("localhost", "elsewhere"), "host-unknown"),
    ],
)
async def test_what_is_no_stream_is_refused_with_the_standards_error(
    server: RunningServer, text: str, error: str
) -> None:
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.send(text)
        assert (await client.take("error"))[0].tag.endswith(error)
        await client.take("close")


async def test_binary_messages_are_refused(server: RunningServer) -> None:
    async with plain(server) as connection:
        await connection.send(b"<open/>")
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd.code == 1003


async def test_a_client_may_compress_and_gets_long_messages_compressed(server: RunningServer) -> None:
    server.add_user("wide")
    received = 0
    url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
    async with connect(url, subprotocols=["xmpp"], compression="deflate") as connection:  # type: ignore[list-item]
        client = WebClient(connection)
        await client.login("wide")
        await client.send("<presence xmlns='jabber:client'/>")
        text = "again and again " * 500
        before = _bytes_in(connection)
        await client.send(
            "<message xmlns='jabber:client' to='wide@localhost/web' type='chat'>"
            f"<body>{text}</body></message>"
        )
        assert body(await client.take("message")) == text
        received = _bytes_in(connection) - before
        assert [e.name for e in connection.protocol.extensions] == ["permessage-deflate"]
    assert received < len(text) / 5


async def test_a_message_that_unpacks_to_too_much_ends_the_connection(server: RunningServer) -> None:
    url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
    async with connect(url, subprotocols=["xmpp"], compression="deflate") as connection:  # type: ignore[list-item]
        await connection.send(OPEN)
        await connection.send("<a>" + " " * 60_000_000 + "</a>")
        async with asyncio.timeout(25):
            while connection.close_code is None:
                with contextlib.suppress(ConnectionClosed):
                    await connection.recv()
        assert connection.close_code == 1009  # too big


def _bytes_in(connection: ClientConnection) -> int:
    """What the kernel has received for the connection (tcp_info, tcpi_bytes_received)."""
    raw = connection.transport.get_extra_info("socket")
    info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("=Q", info, 128)[0])


async def test_a_message_may_come_in_several_frames(server: RunningServer) -> None:
    async with plain(server) as connection:
        client = WebClient(connection)
        await connection.send([OPEN[:10], "", OPEN[10:20], OPEN[20:], ""])
        await client.take("features")
        await connection.send([*f"<close xmlns='{FRAMING}'/>"])
        await client.take("close")


@pytest.mark.parametrize("part", ["", " "])
async def test_a_message_in_frames_without_end_is_not_kept(server: RunningServer, part: str) -> None:
    """Empty frames are below any bound on bytes, and each one was kept."""
    async with plain(server) as connection:
        client = WebClient(connection)
        await client.send(OPEN)
        await client.take("features")
        sent = 0

        async def frames() -> AsyncIterator[str]:
            nonlocal sent
            while sent < 20_000:
                sent += 1
                yield part
                if sent % 64 == 0:
                    await asyncio.sleep(0)

        sending = asyncio.create_task(connection.send(frames()))
        with contextlib.suppress(ConnectionClosed):  # a reset may overtake the error, since we still write
            assert (await client.take("error"))[0].tag.endswith("policy-violation")
        with contextlib.suppress(ConnectionClosed):
            await sending
        assert sent < 20_000
