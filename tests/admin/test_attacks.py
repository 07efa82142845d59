"""Whoever is banned looks for a way around; whoever has stolen a token, for a way to keep what it gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import websockets

from kith.api.admin.health import HealthResource
from kith.api.endpoint import Call
from kith.core.sessions.bans import Bans
from kith.edge.edge import Edge
from kith.ports.store import Document
from kith.records.bans import Ban, BanList, BanRecords
from tests.admin.operator import Operator
from tests.conftest import RunningServer, running
from tests.parts import Room, room
from tests.raw import Gone, RawClient, authenticate, condition, online


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"operators": "boss@localhost,chief@localhost", "registration": "open"}
    with running(tmp_path_factory.mktemp("kith") / "data", **settings) as server:
        server.add_user("boss")
        yield server
        assert "level=error" not in server.log.read_text()


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Operator:
    return Operator(server)


# -- keeping what a token gives ------------------------------------------------------------------------


async def test_a_stolen_token_makes_nobody_an_operator(server: RunningServer, operator: Operator) -> None:
    for method, path, request in (
        ("POST", "/people", {"address": "chief", "password": "pw"}),
        ("PUT", "/people/boss/password", {"password": "mine"}),
        ("DELETE", "/people/boss", None),
        ("PUT", "/people/boss/suspension", {}),
        ("POST", "/bans", {"kind": "account", "value": "chief"}),
    ):
        answer = await operator.ask(method, path, request)
        assert (answer.status, answer.error) == (409, "conflict"), (method, path)
    (await online(server.port, "boss")).abort()


async def test_nobody_registers_the_name_of_an_operator(server: RunningServer) -> None:
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        query = "<username>Chief</username><password>pw</password>"
        answer = await client.iq("set", f"<query xmlns='jabber:iq:register'>{query}</query>", to="localhost")
        assert condition(answer) == "conflict"


async def test_a_token_can_make_no_token(server: RunningServer, operator: Operator) -> None:
    paths = (await operator.ask("GET", "/openapi.json")).body["paths"]
    assert not [path for path in paths if "token" in path]


async def test_looking_does_not_push_entries_out_of_the_audit_log(
    server: RunningServer, operator: Operator
) -> None:
    server.add_user("ann")
    await operator.ask("GET", "/people/ann/messages")
    before = await operator.done("GET", "/log?limit=500")
    for _ in range(20):
        await operator.ask("GET", "/people/ann/messages")
        await operator.ask("GET", "/people")
    assert await operator.done("GET", "/log?limit=500") == before


# -- a way around a ban --------------------------------------------------------------------------------


async def websocket(server: RunningServer, device_or_name: str, address: str) -> websockets.ClientConnection:
    """A stream over the WebSocket from an address, which has asked to log in by password."""
    url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
    headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    client = await websockets.connect(url, subprotocols=["xmpp"], additional_headers=headers)  # type: ignore[list-item]
    await client.send(
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0' "
        f"from='{device_or_name}@localhost'/>"
    )
    await client.send(authenticate(device_or_name, inline="<bind xmlns='urn:xmpp:bind:0'/>"))
    return client


async def heard(client: websockets.ClientConnection, *words: str) -> str:
    """What comes, until one of the words is in it."""
    text = ""
    async with asyncio.timeout(25):
        while not any(word in text for word in words):
            text = str(await client.recv())
    return text


@pytest.mark.parametrize(
    ("banned", "address", "neighbour"),
    [
        ("198.51.100.0/24", "198.51.100.77", "198.51.101.77"),
        ("2001:db8:5:6::1", "2001:db8:5:6:ffff::2", "2001:db8:5:7::1"),
        ("203.0.113.9", "::ffff:203.0.113.9", "203.0.113.10"),
        ("203.0.113.11", "64:ff9b::203.0.113.11", "64:ff9b::203.0.113.12"),
        ("203.0.113.13", "2002:cb00:710d::1", "2002:cb00:710e::1"),
    ],
)
async def test_no_notation_of_an_address_is_a_way_around_a_banned_network(
    server: RunningServer, operator: Operator, banned: str, address: str, neighbour: str
) -> None:
    server.add_user("bob")
    inside, outside = await websocket(server, "bob", address), await websocket(server, "bob", neighbour)
    await heard(inside, "<success")
    await heard(outside, "<success")
    id = await operator.ban("network", banned, reason="No more.")
    error = await heard(inside, "error>")
    assert "policy-violation" in error
    assert "No more." in error
    again = await websocket(server, "bob", address)
    assert "policy-violation" in await heard(again, "error>", "<success")
    third = await websocket(server, "bob", neighbour)
    await heard(third, "<success")
    await operator.lift(id)
    for client in (inside, outside, again, third):
        await client.close()


async def test_logins_that_race_with_a_ban_do_not_stay(server: RunningServer, operator: Operator) -> None:
    """Whatever a login is doing when the ban comes, afterwards nobody is connected."""
    server.add_user("carl")

    async def log_in(delay: float) -> RawClient:
        client = RawClient(server.port)
        await asyncio.sleep(delay)
        await client.connect()
        inline = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
        agent = f"2e1c5c43-2fbb-4a2c-b5a0-{int(delay * 1e6):012}"
        client.open(sender="carl@localhost", then=authenticate("carl", inline=inline, agent=agent))
        return client

    logins = [asyncio.create_task(log_in(number / 200)) for number in range(30)]
    await asyncio.sleep(0.07)
    id = await operator.ban("account", "carl")
    clients = await asyncio.gather(*logins)
    for client in clients:
        answer = await client.take(lambda e: e.tag.partition("}")[2] in ("success", "failure", "error"))
        if answer.tag.endswith("}success"):
            await client.end()
    details = await operator.done("GET", "/people/carl")
    assert details["sessions"] == []
    for client in clients:
        client.abort()
    await operator.lift(id)


async def test_a_preauthenticated_registration_of_a_banned_network_is_refused(
    server: RunningServer, operator: Operator
) -> None:
    url = f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"
    headers = {"X-Forwarded-For": "198.51.100.200", "X-Forwarded-Proto": "https"}
    async with websockets.connect(url, subprotocols=["xmpp"], additional_headers=headers) as client:  # type: ignore[list-item]
        await client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
        await heard(client, "features>")
        id = await operator.ban("network", "198.51.100.200", scope="registration")
        query = "<username>sneaky</username><password>pw</password>"
        await client.send(
            "<iq xmlns='jabber:client' type='set' id='1' to='localhost'>"
            f"<query xmlns='jabber:iq:register'>{query}</query></iq>"
        )
        assert "forbidden" in await heard(client, "<iq")
    await operator.lift(id)
    with pytest.raises(Gone):
        await online(server.port, "sneaky")


# -- in one process ------------------------------------------------------------------------------------


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as there:
        yield there


async def test_an_older_reading_of_the_bans_does_not_replace_a_newer_one(
    there: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two readings may overlap, and the one that began first may end last."""
    bans, store = there.node.get(Bans), there.node.store
    begun, slow, original = asyncio.Event(), asyncio.Event(), store.documents

    async def documents(account: int, space: str) -> list[Document]:
        found = await original(account, space)
        if space == "bans" and not found:
            begun.set()
            await slow.wait()
        return found

    monkeypatch.setattr(store, "documents", documents)
    first = asyncio.create_task(bans.load())
    await begun.wait()
    ban = Ban("1", "account", "mallory", 0.0)
    await BanRecords(store).put(ban)
    await bans.load()
    assert bans.of_registration("mallory@localhost") == ban
    slow.set()
    await first
    assert bans.of_registration("mallory@localhost") == ban


async def test_nobody_is_shown_no_accounts_while_the_first_count_runs(there: Room) -> None:
    """Two pages, or a page and a monitor, may ask a new server at the same time."""
    parts, store = there.node.parts, there.node.store
    await store.create_accounts([("mallory@localhost", {})])
    certificates = SimpleNamespace(expires=0.0, certificate=Path("/nowhere"))
    parts.add({Edge: cast(Edge, SimpleNamespace(open={}, certificates=certificates))})
    parts.build((HealthResource,))
    health, call = parts.get(HealthResource), Call("127.0.0.1", {}, {})
    shown = await asyncio.gather(*(health.get(call) for _ in range(2)))
    assert [one.accounts for one in shown] == [len(await store.accounts())] * 2


def test_a_hundred_thousand_banned_networks_are_searched_in_microseconds() -> None:
    bans = BanList(
        Ban("1", "network", f"{a}.{b}.{c}.0/24", 0.0)
        for a in range(11, 15)
        for b in range(250)
        for c in range(100)
    )
    assert len(bans.all) == 100_000
    began = time.perf_counter()
    for _ in range(1000):
        assert bans.of_address("11.3.99.7")
        assert not bans.of_address("192.0.2.1")
    assert time.perf_counter() - began < 2  # it takes 10 ms; a search through all would take minutes
