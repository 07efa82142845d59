"""XEP-0163 with slixmpp: what OMEMO, avatars and bookmarks do with it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.features.slix import EVENT, Client, befriend, connected

DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:1"
NICK = "http://jabber.org/protocol/nick"
PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
NODES = (DEVICES, NICK)
Friends = tuple[Client, Client]


def options(**fields: str) -> str:
    return form(f"{PUBSUB}#publish-options", fields)


def form(form_type: str, fields: dict[str, str]) -> str:
    inner = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>" for name, value in fields.items()
    )
    return (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{form_type}</value></field>{inner}</x>"
    )


def publish(node: str, payload: str, id: str = "current", options: str = "") -> str:
    extra = f"<publish-options>{options}</publish-options>" if options else ""
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{id}'>{payload}</item></publish>"
        f"{extra}</pubsub>"
    )


def devices(*ids: int) -> str:
    inner = "".join(f"<device id='{id}'/>" for id in ids)
    return f"<list xmlns='eu.siacs.conversations.axolotl'>{inner}</list>"


def nick(name: str) -> str:
    return f"<nick xmlns='{NICK}'>{name}</nick>"


def items(answer: Any) -> list[str]:
    return [item.get("id") for item in answer.xml.iter(f"{{{PUBSUB}}}item")]


async def read(client: Client, node: str, owner: str | None = None, inside: str = "") -> Any:
    return await client.ask(
        "get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'>{inside}</items></pubsub>", owner
    )


async def configure(client: Client, node: str, **fields: str) -> None:
    submitted = form(f"{PUBSUB}#node_config", fields)
    await client.ask(
        "set", f"<pubsub xmlns='{OWNER}'><configure node='{node}'>{submitted}</configure></pubsub>"
    )


@pytest.fixture
async def strangers(server: RunningServer, request: pytest.FixtureRequest) -> AsyncIterator[Friends]:
    """Two clients on new accounts, interested in OMEMO's devices and in nicknames."""
    name = f"u{abs(hash(request.node.name)):x}"
    one, other = server.add_user(f"{name}1"), server.add_user(f"{name}2")
    async with (
        connected(server.port, f"{one}/a", NODES) as alice,
        connected(server.port, f"{other}/b", NODES) as bob,
    ):
        yield alice, bob


@pytest.fixture
async def friends(strangers: Friends) -> Friends:
    """The same, and they see each other's presence."""
    await befriend(*strangers)
    return strangers


async def test_a_device_list_reaches_contacts_and_ones_own_devices(
    server: RunningServer, friends: Friends
) -> None:
    alice, bob = friends
    bare = alice.boundjid.bare
    async with (
        connected(server.port, f"{bare}/second", NODES) as second,
        connected(server.port, f"{bare}/third") as deaf,
    ):
        await alice.ask("set", publish(DEVICES, devices(1, 2), options=options(access_model="open")))
        for client in (alice, second, bob):
            event = await client.next_event()
            assert event.tag == f"{EVENT}items"
            assert (event.get("from"), event.get("node"), event.get("delayed")) == (bare, DEVICES, "False")
            ids = [device.get("id") for device in event.iter("{eu.siacs.conversations.axolotl}device")]
            assert ids == ["1", "2"]
            assert [item.get("id") for item in event] == ["current"]
        await deaf.expect_no_event()
    for client in friends:
        await client.expect_no_event()


async def test_a_stranger_fetches_keys_from_an_open_node(strangers: Friends) -> None:
    alice, bob = strangers
    bundle = "<bundle xmlns='eu.siacs.conversations.axolotl'><identityKey>AAAA</identityKey></bundle>"
    await alice.ask("set", publish(BUNDLE, bundle, options=options(access_model="open", max_items="1")))
    answer = await read(bob, BUNDLE, alice.boundjid.bare)
    assert items(answer) == ["current"]
    assert answer.xml.findtext(".//{eu.siacs.conversations.axolotl}identityKey") == "AAAA"
    answer = await read(bob, BUNDLE, alice.boundjid.bare, "<item id='current'/><item id='absent'/>")
    assert items(answer) == ["current"]
    answer = await read(bob, BUNDLE, alice.boundjid.bare, "<item id='absent'/>")
    assert items(answer) == []


async def test_a_device_list_that_was_closed_is_opened_after_the_fact(strangers: Friends) -> None:
    alice, bob = strangers
    await alice.ask("set", publish(DEVICES, devices(1)))
    again = publish(DEVICES, devices(1, 2), options=options(access_model="open"))
    assert await alice.refused("set", again) == ("conflict", "precondition-not-met")
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{DEVICES}'/></pubsub>"
    assert await bob.refused("get", request, alice.boundjid.bare) == ("item-not-found", "")
    await configure(alice, DEVICES, access_model="open")
    await alice.ask("set", again)
    assert items(await read(bob, DEVICES, alice.boundjid.bare)) == ["current"]


async def test_omemo_2_keeps_a_bundle_for_each_device(strangers: Friends) -> None:
    alice, bob = strangers
    node = "urn:xmpp:omemo:2:bundles"
    wanted = options(access_model="open", max_items="max", persist_items="true")
    for device in ("31415", "27182"):
        await alice.ask("set", publish(node, "<bundle xmlns='urn:xmpp:omemo:2'/>", device, wanted))
    assert items(await read(bob, node, alice.boundjid.bare)) == ["31415", "27182"]


async def test_who_comes_online_gets_the_last_items(server: RunningServer, friends: Friends) -> None:
    alice, bob = friends
    await alice.ask("set", publish(NICK, nick("Al")))
    await bob.ask("set", publish(NICK, nick("Bobby")))
    async with connected(server.port, f"{bob.boundjid.bare}/late", (NICK,)) as late:
        found = {}
        for _ in range(2):
            event = await late.next_event()
            assert event.get("delayed") == "True"
            found[event.get("from")] = event.findtext(f".//{{{NICK}}}nick")
        assert found == {alice.boundjid.bare: "Al", bob.boundjid.bare: "Bobby"}
        late.send_presence(pshow="away")
        await late.expect_no_event()


async def test_a_node_that_sends_no_last_items_stays_silent(server: RunningServer, friends: Friends) -> None:
    alice, bob = friends
    await alice.ask("set", publish(NICK, nick("Al"), options=options(send_last_published_item="never")))
    async with connected(server.port, f"{bob.boundjid.bare}/late", (NICK,)) as late:
        await late.expect_no_event()


async def test_a_client_may_begin_to_be_interested_later(server: RunningServer, friends: Friends) -> None:
    alice, bob = friends
    await alice.ask("set", publish(NICK, nick("Al")))
    async with connected(server.port, f"{bob.boundjid.bare}/late") as late:
        await late.expect_no_event()
        late.interests = (NICK,)
        await late.go_online()
        assert (await late.next_event()).findtext(f".//{{{NICK}}}nick") == "Al"


async def test_strangers_are_not_told(strangers: Friends) -> None:
    alice, bob = strangers
    await alice.ask("set", publish(NICK, nick("Al"), options=options(access_model="open")))
    await alice.next_event()
    await bob.expect_no_event()


async def test_who_is_blocked_is_not_told_and_may_not_read(friends: Friends) -> None:
    alice, bob = friends
    await alice.plugin["xep_0191"].block([bob.boundjid.bare])
    await alice.ask("set", publish(NICK, nick("Al"), options=options(access_model="open")))
    await alice.next_event()
    await bob.expect_no_event()
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{NICK}'/></pubsub>"
    assert await bob.refused("get", request, alice.boundjid.bare) == ("service-unavailable", "")
    await bob.ask("set", publish(NICK, nick("Bobby")))
    await bob.next_event()
    await alice.expect_no_event()


async def test_a_whitelist_lets_only_its_members_read(friends: Friends) -> None:
    alice, bob = friends
    node = "urn:xmpp:bookmarks:1"
    wanted = options(
        access_model="whitelist", persist_items="true", max_items="max", send_last_published_item="never"
    )
    for room in ("a@rooms", "b@rooms"):
        await alice.ask("set", publish(node, "<conference xmlns='urn:xmpp:bookmarks:1'/>", room, wanted))
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>"
    assert await bob.refused("get", request, alice.boundjid.bare) == ("not-allowed", "closed-node")
    await alice.ask(
        "set",
        f"<pubsub xmlns='{OWNER}'><affiliations node='{node}'>"
        f"<affiliation jid='{bob.boundjid.bare}' affiliation='member'/></affiliations></pubsub>",
    )
    assert items(await read(bob, node, alice.boundjid.bare)) == ["a@rooms", "b@rooms"]
    await alice.ask(
        "set",
        f"<pubsub xmlns='{OWNER}'><affiliations node='{node}'>"
        f"<affiliation jid='{bob.boundjid.bare}' affiliation='outcast'/></affiliations></pubsub>",
    )
    assert await bob.refused("get", request, alice.boundjid.bare) == ("forbidden", "")


async def test_a_roster_group_opens_a_node(friends: Friends) -> None:
    alice, bob = friends
    wanted = options(access_model="roster", roster_groups_allowed="Family")
    await alice.ask("set", publish(NICK, nick("Al"), options=wanted))
    await alice.next_event()
    await bob.expect_no_event()
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{NICK}'/></pubsub>"
    assert await bob.refused("get", request, alice.boundjid.bare) == ("not-authorized", "not-in-roster-group")
    item = f"<item jid='{bob.boundjid.bare}'><group>Family</group></item>"
    await alice.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
    await alice.ask("set", publish(NICK, nick("Ally")))
    assert (await bob.next_event()).findtext(f".//{{{NICK}}}nick") == "Ally"
    assert items(await read(bob, NICK, alice.boundjid.bare)) == ["current"]


async def test_an_item_is_retracted_and_contacts_hear_of_it(friends: Friends) -> None:
    alice, bob = friends
    await alice.ask("set", publish(NICK, nick("Al")))
    await bob.next_event()
    await alice.ask(
        "set",
        f"<pubsub xmlns='{PUBSUB}'><retract node='{NICK}' notify='1'><item id='current'/></retract></pubsub>",
    )
    event = await bob.next_event()
    assert [(child.tag, child.get("id")) for child in event] == [(f"{EVENT}retract", "current")]
    assert items(await read(alice, NICK)) == []
    await alice.ask("set", publish(NICK, nick("Al")))
    await bob.next_event()
    await alice.ask("set", f"<pubsub xmlns='{OWNER}'><purge node='{NICK}'/></pubsub>")
    assert (await bob.next_event()).tag == f"{EVENT}purge"
    await alice.ask("set", f"<pubsub xmlns='{OWNER}'><delete node='{NICK}'/></pubsub>")
    assert (await bob.next_event()).tag == f"{EVENT}delete"
    reading = f"<pubsub xmlns='{PUBSUB}'><items node='{NICK}'/></pubsub>"
    assert await alice.refused("get", reading, alice.boundjid.bare) == ("item-not-found", "")


async def test_an_explicit_subscriber_is_told_without_being_a_contact(strangers: Friends) -> None:
    alice, bob = strangers
    await alice.ask(
        "set", publish("urn:example:blog", "<p xmlns='x'>1</p>", "1", options(access_model="open"))
    )
    await bob.plugin["xep_0060"].subscribe(alice.boundjid.bare, "urn:example:blog")
    assert (await bob.next_event()).get("delayed") == "True"
    await alice.ask("set", publish("urn:example:blog", "<p xmlns='x'>2</p>", "2"))
    assert (await bob.next_event()).findtext(".//{x}p") == "2"
    await bob.plugin["xep_0060"].unsubscribe(alice.boundjid.bare, "urn:example:blog")
    await alice.ask("set", publish("urn:example:blog", "<p xmlns='x'>3</p>", "3"))
    await bob.expect_no_event()


async def test_only_as_many_items_as_the_node_keeps(strangers: Friends) -> None:
    alice, _ = strangers
    for id in "abcd":
        await alice.ask(
            "set", publish("urn:example:log", f"<p xmlns='x'>{id}</p>", id, options(max_items="3"))
        )
    assert items(await read(alice, "urn:example:log")) == ["b", "c", "d"]
    await alice.ask("set", publish("urn:example:log", "<p xmlns='x'>new</p>", "b"))
    assert items(await read(alice, "urn:example:log")) == ["c", "d", "b"]
    await configure(alice, "urn:example:log", max_items="1")
    assert items(await read(alice, "urn:example:log")) == ["b"]


async def test_discovery_shows_the_nodes_that_the_asker_may_read(strangers: Friends) -> None:
    alice, bob = strangers
    await alice.ask("set", publish(DEVICES, devices(1), options=options(access_model="open")))
    await alice.ask("set", publish(NICK, nick("Al")))
    disco = alice.plugin["xep_0030"]
    bare = alice.boundjid.bare
    seen = await disco.get_items(bare)
    assert {item[1] for item in seen["disco_items"]["items"]} == {DEVICES, NICK}
    seen = await bob.plugin["xep_0030"].get_items(bare)
    assert {item[1] for item in seen["disco_items"]["items"]} == {DEVICES}
    info = (await bob.plugin["xep_0030"].get_info(bare, DEVICES))["disco_info"]
    assert ("pubsub", "leaf") in {identity[:2] for identity in info["identities"]}
    values = info["form"].get_values()
    assert values["pubsub#access_model"] == "open"
    assert values["FORM_TYPE"] == [f"{PUBSUB}#meta-data"]


async def test_what_was_published_outlives_a_crash(server: RunningServer) -> None:
    jid = server.add_user("durable")
    async with connected(server.port, jid) as client:
        for number in range(20):
            await client.ask("set", publish(f"urn:example:{number}", f"<n xmlns='x'>{number}</n>"))
        await configure(client, "urn:example:3", access_model="open", max_items="7", title="Three")
    server.kill()
    await asyncio.to_thread(server.start)
    async with connected(server.port, jid) as client:
        for number in range(20):
            answer = await read(client, f"urn:example:{number}")
            assert answer.xml.findtext(".//{x}n") == str(number)
        config = await client.plugin["xep_0060"].get_node_config(jid, "urn:example:3")
        values = config["pubsub_owner"]["configure"]["form"].get_values()
        assert (values["pubsub#access_model"], values["pubsub#max_items"]) == ("open", "7")
        assert values["pubsub#title"] == "Three"


async def test_who_is_no_contact_any_more_is_no_subscriber_any_more(server: RunningServer) -> None:
    one, other = server.add_user("opener"), server.add_user("leaver")
    async with connected(server.port, one) as alice, connected(server.port, other) as bob:
        await befriend(alice, bob)
        await alice.ask("set", publish("urn:example:diary", "<x xmlns='urn:example'/>"))
        ask = f"<pubsub xmlns='{PUBSUB}'><subscribe node='urn:example:diary' jid='{other}'/></pubsub>"
        await bob.ask("set", ask, one)
        listed = f"<pubsub xmlns='{OWNER}'><subscriptions node='urn:example:diary'/></pubsub>"

        async def subscribers() -> list[str]:
            answer = await alice.ask("get", listed)
            return [found.get("jid") for found in answer.xml.iter(f"{{{OWNER}}}subscription")]

        assert await subscribers() == [other]
        alice.send_presence_subscription(pto=other, ptype="unsubscribed")
        for _ in range(100):
            if not await subscribers():
                break
            await asyncio.sleep(0.05)
        assert await subscribers() == []
        assert await bob.refused("set", ask, one) == ("service-unavailable", "")


async def test_who_leaves_a_group_leaves_the_nodes_that_are_for_it(server: RunningServer) -> None:
    one, other = server.add_user("grouper"), server.add_user("grouped")
    async with connected(server.port, one) as alice, connected(server.port, other) as bob:
        await befriend(alice, bob)
        await alice.update_roster(other, groups=["close"])
        await alice.ask("set", publish("urn:example:diary", "<x xmlns='urn:example'/>"))
        fields = {"access_model": "roster", "roster_groups_allowed": "close"}
        await configure(alice, "urn:example:diary", **fields)
        ask = f"<pubsub xmlns='{PUBSUB}'><subscribe node='urn:example:diary' jid='{other}'/></pubsub>"
        await bob.ask("set", ask, one)
        await alice.update_roster(other, groups=["close", "more"])
        await alice.update_roster(other, groups=["far"])
        listed = f"<pubsub xmlns='{OWNER}'><subscriptions node='urn:example:diary'/></pubsub>"
        for _ in range(100):
            answer = await alice.ask("get", listed)
            if answer.xml.find(f".//{{{OWNER}}}subscription") is None:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("still subscribed")
        assert await bob.refused("set", ask, one) == ("not-authorized", "not-in-roster-group")
