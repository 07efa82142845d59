"""So many connections from one address, also where a proxy brings them (promise 6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from kith.edge.connection_limit import ConnectionLimit
from tests.conftest import RunningServer, running
from tests.edge.test_http import answer

MOST = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """On this machine, so what comes is a proxy's."""
    data = tmp_path_factory.mktemp("kith") / "data"
    with running(data, connections_per_address=str(MOST)) as it:
        yield it


def by_proxy(server: RunningServer, *addresses: str) -> connect:
    """A WebSocket of somebody behind a proxy."""
    return connect(
        f"ws://127.0.0.1:{server.http_port}/xmpp-websocket",
        subprotocols=["xmpp"],
        additional_headers=[("X-Forwarded-For", address) for address in addresses],
    )


async def request(server: RunningServer, address: str) -> bytes:
    head = (
        f"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\nConnection: close\r\n\r\n"
    )
    return (await answer(server, head.encode())).partition(b"\r\n")[0]


async def test_who_is_behind_a_proxy_has_so_many_connections_and_no_more(server: RunningServer) -> None:
    async with contextlib.AsyncExitStack() as stack:

        async def enter(*addresses: str) -> ClientConnection:
            return await stack.enter_async_context(by_proxy(server, *addresses))

        first = await enter("198.51.100.7")
        await enter("203.0.113.1, 198.51.100.7")
        await enter("203.0.113.2", "198.51.100.7:4711")
        for another in ("198.51.100.7", "::ffff:198.51.100.7", "203.0.113.3, 198.51.100.7"):
            with pytest.raises(InvalidStatus) as refused:
                await enter(another)
            assert refused.value.response.status_code == 429
        assert await request(server, "198.51.100.7") == b"HTTP/1.1 429 Too Many Requests"
        assert await request(server, "198.51.100.8") == b"HTTP/1.1 200 OK"
        await enter("198.51.100.8")
        for number in range(MOST):  # one network is one address
            await enter(f"2001:db8::{number}")
        with pytest.raises(InvalidStatus):
            await enter("[2001:db8::ffff]:80")
        await first.close()
        async with asyncio.timeout(25):
            while await request(server, "198.51.100.7") != b"HTTP/1.1 200 OK":
                await asyncio.sleep(0.05)
        await enter("198.51.100.7")
    async with asyncio.timeout(25):  # and none of them is counted for ever
        while await request(server, "2001:db8::5") != b"HTTP/1.1 200 OK":
            await asyncio.sleep(0.05)


def test_a_connection_that_moves_takes_one_place_and_leaves_the_other() -> None:
    limit = ConnectionLimit(2, 10)
    proxied = [limit.admit("127.0.0.1", 0.0) for _ in range(3)]
    assert proxied == ["", "", ""]
    assert limit.move("", "192.0.2.1") == "192.0.2.1"
    assert limit.move("", "192.0.2.1") == "192.0.2.1"
    assert limit.move("", "192.0.2.1") is None
    assert limit.move("192.0.2.1", "192.0.2.1") == "192.0.2.1"
    assert limit.move("192.0.2.1", "192.0.2.2") == "192.0.2.2"
    assert limit.move("", "192.0.2.1") == "192.0.2.1"
    assert limit.admit("192.0.2.1", 0.0) is None
    for key in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        limit.release(key)
    assert (limit.count, limit.ended) == (0, 3)
    assert limit.admit("192.0.2.1", 0.0) == "192.0.2.1"
