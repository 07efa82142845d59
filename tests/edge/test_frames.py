"""What a WebSocket's frames cost is what they make the server do, not how few bytes they are on the wire.

The server is in this process; nothing measures time: a connection that has used up its rate reads no more.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest

from kith.edge.http import FrontConnection
from kith.edge.limits import BYTES_BEFORE_LOGIN, cost
from kith.edge.websocket import WebSocketConnection
from tests.fuzz.world import Transport, World

RATE, BURST = 1000, 20_000
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OPEN = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
UPGRADE = (
    b"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    world.edge.rate, world.edge.burst = RATE, BURST
    yield world
    world.loop.close()


def frame(opcode: int, data: bytes = b"", packed: bool = False) -> bytes:
    if packed:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
        data = (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return bytes([0x80 | (0x40 if packed else 0) | opcode]) + size + bytes(4) + data


async def connected(world: World, logged_in: bool = True) -> tuple[Transport, WebSocketConnection]:
    transport = world.connect(lambda: FrontConnection(world.web))
    await world.feed(transport, [UPGRADE])
    assert b"permessage-deflate" in transport.sent
    connection = transport.get_protocol()
    assert isinstance(connection, WebSocketConnection)
    if logged_in:
        connection._stream.account = await world.domain.accounts.load("ada@localhost")  # type: ignore[union-attr]
    return transport, connection


@pytest.mark.parametrize("one", [frame(TEXT), frame(PING), frame(PONG), frame(TEXT, b" ")])
def test_a_frame_costs_the_same_however_little_is_in_it(world: World, one: bytes) -> None:
    async def flood() -> None:
        transport, _ = await connected(world)
        many = one * 500
        assert len(many) < BURST // 4
        await world.feed(transport, [many])
        await world.settle()
        assert transport.paused
        await world.hang_up(transport)

    world.do(flood())


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_packed_costs_what_it_is_unpacked(world: World, whole: bool) -> None:
    async def flood() -> None:
        transport, _ = await connected(world)
        one = frame(TEXT, b" " * 400_000, packed=True)
        if not whole:
            one = bytes([one[0] & 0x7F]) + one[1:]
        assert len(one) < BURST // 20
        await world.feed(transport, [one])
        await world.settle()
        assert transport.paused
        await world.hang_up(transport)

    world.do(flood())


def test_who_has_not_logged_in_sends_no_more_by_packing_it(world: World) -> None:
    async def flood() -> None:
        transport, connection = await connected(world, logged_in=False)
        packed = frame(TEXT, b" " * (BYTES_BEFORE_LOGIN // 2), packed=True)
        await world.feed(transport, [frame(TEXT, OPEN), packed])
        assert not connection._closing
        await world.feed(transport, [packed, packed])
        assert connection._closing
        await world.hang_up(transport)

    world.do(flood())


def test_little_is_read_of_who_does_not_say_farewell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood() -> None:
        transport, connection = await connected(world, logged_in=False)
        await world.feed(transport, [frame(TEXT, b"<no/>")])
        assert connection._closing
        read = 0

        def receive(data: bytes) -> None:
            nonlocal read
            read += len(data)

        monkeypatch.setattr(connection._websocket, "receive_data", receive)
        for _ in range(100):
            connection.data_received(frame(TEXT) * 1000)
        assert 0 < read <= 64 * 1024
        await world.hang_up(transport)

    world.do(flood())


def test_who_says_farewell_is_let_go_at_once(world: World) -> None:
    async def leave() -> None:
        transport, _ = await connected(world, logged_in=False)
        await world.feed(transport, [frame(TEXT, b"<no/>") + frame(TEXT) * 3000 + frame(CLOSE, b"\x03\xe8")])
        await world.settle()
        assert transport.closed

    world.do(leave())


def test_letters_that_take_long_to_prepare_cost_more() -> None:
    plain, letters = b"<message to='%b@localhost'/>" % (b"a" * 1000), "\u30fb\u30a2" * 160
    assert cost(f"<message to='{letters}@localhost'/>".encode()) > 5 * cost(plain)
    assert cost(b"<message to='%b@localhost'/>" % (b"&#x30fb;" * 125)) > 5 * cost(plain)
