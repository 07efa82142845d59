"""XEP-0191 against a running server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kith.features.blocking import matches
from kith.wire.jid import parse_jid
from tests.conftest import RunningServer
from tests.features.slix import Client, befriend, connected
from tests.raw import CLIENT, PATIENCE, condition, online

NS = "urn:xmpp:blocking"


@pytest.mark.parametrize(
    ("blocked", "sender", "hit"),
    [
        ("a@x/r", "a@x/r", True),
        ("a@x/r", "a@x/s", False),
        ("a@x", "a@x/s", True),
        ("x/r", "x/r", True),
        ("x/r", "a@x/r", True),
        ("x/r", "x/s", False),
        ("x", "a@x/r", True),
        ("x", "x/r", True),
        ("x", "a@y", False),
        ("a@x", "x", False),
    ],
)
def test_an_address_is_matched_from_the_narrowest_to_the_widest(blocked: str, sender: str, hit: bool) -> None:
    assert matches({parse_jid(blocked)}, parse_jid(sender)) is hit


@pytest.fixture
async def friends(
    server: RunningServer, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Client, Client]]:
    """Two clients that see each other, on accounts of their own."""
    name = request.node.name[5:25].replace("_", "").replace("[", "")
    one, other = server.add_user(f"{name}1"), server.add_user(f"{name}2")
    async with connected(server.port, f"{one}/a") as alice, connected(server.port, f"{other}/b") as bob:
        await befriend(alice, bob)
        yield alice, bob


async def _settled(*clients: Client) -> None:
    for client in clients:
        await client.plugin["xep_0199"].send_ping("localhost")
    await asyncio.sleep(0.05)


async def _types(client: Client, sender: Client) -> list[str]:
    """The types of the presences that have come from another client."""
    await _settled(client)
    found = []
    while not client.presences.empty():
        presence = client.presences.get_nowait()
        if presence.get("from", "").startswith(sender.boundjid.bare):
            found.append(presence.get("type", "available"))
    return found


async def test_a_blocked_contact_reaches_nobody_and_is_told_so(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    bob.send_message(alice.boundjid.bare, "are you there?", mtype="chat")
    error = await asyncio.wait_for(bob.messages.get(), PATIENCE)
    assert error.get("type") == "error"
    assert error.find(f"{CLIENT}error/{{urn:ietf:params:xml:ns:xmpp-stanzas}}service-unavailable") is not None
    assert await bob.refused("get", "<ping xmlns='urn:xmpp:ping'/>", str(alice.boundjid)) == (
        "service-unavailable",
        "",
    )
    assert await bob.refused("get", "<ping xmlns='urn:xmpp:ping'/>", alice.boundjid.bare) == (
        "service-unavailable",
        "",
    )
    await _settled(alice)
    assert alice.messages.empty()


async def test_who_blocks_can_not_write_to_the_blocked(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    alice.send_message(bob.boundjid.bare, "hello?", mtype="chat")
    error = await asyncio.wait_for(alice.messages.get(), PATIENCE)
    assert error.get("type") == "error"
    found = error.find(f"{CLIENT}error")
    assert found is not None
    assert found.get("type") == "cancel"
    assert [child.tag for child in found] == [
        "{urn:ietf:params:xml:ns:xmpp-stanzas}not-acceptable",
        "{urn:xmpp:blocking:errors}blocked",
    ]
    assert await alice.refused("get", "<ping xmlns='urn:xmpp:ping'/>", str(bob.boundjid)) == (
        "not-acceptable",
        "blocked",
    )
    await _settled(bob)
    assert bob.messages.empty()


async def test_the_blocked_see_one_go_and_come_back(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await _types(bob, alice)
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    assert await _types(bob, alice) == ["unavailable"]
    alice.send_presence(pshow="away")
    await _settled(alice)
    assert await _types(bob, alice) == []
    await _types(alice, bob)
    bob.send_presence(pshow="dnd")
    await _settled(bob)
    assert await _types(alice, bob) == []
    await alice.plugin["xep_0191"].unblock([bob.boundjid.bare])
    assert await _types(bob, alice) == ["available"]
    alice.send_message(bob.boundjid.bare, "back", mtype="chat")
    assert (await asyncio.wait_for(bob.messages.get(), PATIENCE)).findtext(f"{CLIENT}body") == "back"


async def test_a_blocked_client_that_comes_online_sees_nobody(
    server: RunningServer, friends: tuple[Client, Client]
) -> None:
    alice, bob = friends
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    async with connected(server.port, f"{bob.boundjid.bare}/second") as second:
        assert await _types(second, alice) == []


async def test_one_does_not_block_oneself(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await alice.plugin["xep_0191"].block([alice.boundjid.bare, "localhost"])
    alice.send_message(alice.boundjid.bare, "note", mtype="chat")
    assert (await asyncio.wait_for(alice.messages.get(), PATIENCE)).findtext(f"{CLIENT}body") == "note"
    await alice.plugin["xep_0199"].send_ping("localhost")
    bob.send_message(alice.boundjid.bare, "the whole domain is blocked", mtype="chat")
    assert (await asyncio.wait_for(bob.messages.get(), PATIENCE)).get("type") == "error"


async def test_the_list_outlives_a_crash_and_can_be_emptied(server: RunningServer) -> None:
    jid = server.add_user("lasting")
    async with connected(server.port, jid) as client:
        await client.plugin["xep_0191"].block(["troll@example.org", "spam.example", "x@localhost/r"])
    server.kill()
    server.start()
    async with connected(server.port, jid) as client:
        assert {str(found) for found in await client.plugin["xep_0191"].get_blocked_jids()} == {
            "troll@example.org",
            "spam.example",
            "x@localhost/r",
        }
        await client.ask("set", f"<unblock xmlns='{NS}'/>")
        assert await client.plugin["xep_0191"].get_blocked_jids() == set()
        assert (await client.refused("set", f"<block xmlns='{NS}'/>"))[0] == "bad-request"


async def test_devices_that_asked_for_the_list_are_told_of_changes(server: RunningServer) -> None:
    server.add_user("pushed")
    first = await online(server.port, "pushed", "first")
    second = await online(server.port, "pushed", "second")
    await first.result("get", f"<blocklist xmlns='{NS}'/>")
    await second.result("set", f"<block xmlns='{NS}'><item jid='troll@example.org'/></block>")
    push = await first.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set")
    assert push[0].tag == f"{{{NS}}}block"
    assert push[0][0].get("jid") == "troll@example.org"
    await second.expect_nothing("iq")
    answer = await second.iq("set", f"<block xmlns='{NS}'><item jid='a@b@c'/></block>")
    assert condition(answer) == "jid-malformed"
    await second.result("set", f"<unblock xmlns='{NS}'/>")
    push = await first.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set")
    assert push[0].tag == f"{{{NS}}}unblock"
    assert len(push[0]) == 0
    first.abort()
    second.abort()


async def test_a_blocked_room_or_headline_is_told_nothing(friends: tuple[Client, Client]) -> None:
    """A room would throw the occupant out for an error (XEP-0045 §9.6)."""
    alice, bob = friends
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    for kind in ("groupchat", "headline"):
        bob.send_message(alice.boundjid.full, "news", mtype=kind)
    bob.send_message(alice.boundjid.bare, "news", mtype="headline")
    await _settled(bob, alice)
    assert bob.messages.empty()
    assert alice.messages.empty()
