"""XEP-0060 at ``pubsub.DOMAIN``: nodes that accounts make, and that others read, publish to and subscribe."""

import asyncio
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest
from slixmpp.exceptions import IqError

from tests.conftest import RunningServer, free_ports, running
from tests.features.slix import EVENT, Client, befriend, connected
from tests.features.test_pep import OWNER, PUBSUB, form, items, publish
from tests.raw import PATIENCE, RawClient, condition, online

SERVICE = "pubsub.localhost"
_X = "<e xmlns='urn:example'>{}</e>"
Three = tuple[Client, Client, Client]


@pytest.fixture
async def people(server: RunningServer, request: pytest.FixtureRequest) -> AsyncIterator[Three]:
    """Three clients that do not know each other."""
    name = f"s{abs(hash(request.node.name)):x}"
    users = [server.add_user(f"{name}{number}") for number in range(3)]
    async with (
        connected(server.port, f"{users[0]}/a") as alice,
        connected(server.port, f"{users[1]}/b") as bob,
        connected(server.port, f"{users[2]}/c") as carol,
    ):
        yield alice, bob, carol


def name_of(client: Client) -> str:
    return f"blog of {client.boundjid.bare}"


async def create(client: Client, node: str = "", **config: str) -> str:
    node = node or name_of(client)
    extra = f"<configure>{form(f'{PUBSUB}#node_config', config)}</configure>" if config else ""
    await client.ask("set", f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/>{extra}</pubsub>", SERVICE)
    return node


def subscribe(client: Client, node: str, verb: str = "subscribe") -> str:
    return f"<pubsub xmlns='{PUBSUB}'><{verb} node='{node}' jid='{client.boundjid.bare}'/></pubsub>"


def owner(inner: str) -> str:
    return f"<pubsub xmlns='{OWNER}'>{inner}</pubsub>"


async def write(client: Client, node: str, id: str, text: str = "") -> None:
    await client.ask("set", publish(node, _X.format(text), id), SERVICE)


async def read(client: Client, node: str) -> list[str]:
    return items(
        await client.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", SERVICE)
    )


async def state(client: Client, node: str) -> list[str | None]:
    answer = await client.ask(
        "get", f"<pubsub xmlns='{PUBSUB}'><subscriptions node='{node}'/></pubsub>", SERVICE
    )
    return [found.get("subscription") for found in answer.xml.iter(f"{{{PUBSUB}}}subscription")]


async def test_subscribers_are_told_of_what_is_published(people: Three) -> None:
    alice, bob, carol = people
    node = await create(alice)
    answer = await bob.ask("set", subscribe(bob, node), SERVICE)
    assert [s.get("subscription") for s in answer.xml.iter(f"{{{PUBSUB}}}subscription")] == ["subscribed"]
    await write(alice, node, "1", "first")
    event = await bob.next_event()
    assert (event.get("node"), event.get("from")) == (node, SERVICE)
    assert (event[0].get("id"), event[0][0].text) == ("1", "first")
    await carol.expect_no_event()
    await alice.expect_no_event()
    assert await read(carol, node) == ["1"]  # the node is open
    assert await state(bob, node) == ["subscribed"]
    await bob.ask("set", subscribe(bob, node, "unsubscribe"), SERVICE)
    await write(alice, node, "2")
    await bob.expect_no_event()


async def test_only_publishers_publish_unless_the_node_says_otherwise(people: Three) -> None:
    alice, bob, carol = people
    node = await create(alice)
    assert await bob.refused("set", publish(node, _X, "1"), SERVICE) == ("forbidden", "")
    standing = f"<affiliations node='{node}'><affiliation jid='{bob.boundjid.bare}' affiliation='publisher'/>"
    await alice.ask("set", owner(f"{standing}</affiliations>"), SERVICE)
    await write(bob, node, "1")
    assert await carol.refused("set", publish(node, _X, "1"), SERVICE) == ("forbidden", "")
    submitted = form(f"{PUBSUB}#node_config", {"publish_model": "open"})
    await alice.ask("set", owner(f"<configure node='{node}'>{submitted}</configure>"), SERVICE)
    await write(carol, node, "2")
    # one's own items only, unless one owns the node
    assert await carol.refused("set", publish(node, _X, "1"), SERVICE) == ("forbidden", "")
    retract = f"<pubsub xmlns='{PUBSUB}'><retract node='{node}'><item id='{{}}'/></retract></pubsub>"
    assert await carol.refused("set", retract.format("1"), SERVICE) == ("forbidden", "")
    await carol.ask("set", retract.format("2"), SERVICE)
    await alice.ask("set", retract.format("1"), SERVICE)
    assert await read(alice, node) == []


async def test_who_published_an_item_is_said_by_the_server(people: Three) -> None:
    alice, bob, _ = people
    node = await create(alice, publish_model="subscribers")
    assert await bob.refused("set", publish(node, _X, "1"), SERVICE) == ("forbidden", "")
    await bob.ask("set", subscribe(bob, node), SERVICE)
    await write(bob, node, "1")
    assert (await bob.next_event())[0].get("publisher") == bob.boundjid.bare
    answer = await alice.ask("get", f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>", SERVICE)
    assert [item.get("publisher") for item in answer.xml.iter(f"{{{PUBSUB}}}item")] == [bob.boundjid.bare]


async def authorization(client: Client) -> Element:
    """The form that asks an owner for a subscription (§8.6)."""
    while True:
        message = await asyncio.wait_for(client.messages.get(), PATIENCE)
        found = message.find("{jabber:x:data}x")
        if found is not None:
            return found


def answered(node: str, subscriber: Client, allow: str) -> str:
    fields = {"node": node, "subscriber_jid": subscriber.boundjid.bare, "allow": allow}
    return form(f"{PUBSUB}#subscribe_authorization", fields)


@pytest.mark.parametrize("service", [True, False])
async def test_an_owner_approves_and_denies_subscriptions(people: Three, service: bool) -> None:
    alice, bob, carol = people
    place = SERVICE if service else alice.boundjid.bare
    node = name_of(alice)
    config = form(f"{PUBSUB}#node_config", {"access_model": "authorize"})
    made = f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/><configure>{config}</configure></pubsub>"
    await alice.ask("set", made, place)
    for client, allow, result in ((bob, "1", "subscribed"), (carol, "0", "none")):
        answer = await client.ask("set", subscribe(client, node), place)
        assert [s.get("subscription") for s in answer.xml.iter(f"{{{PUBSUB}}}subscription")] == ["pending"]
        asked = await authorization(alice)
        values = {f.get("var"): f.findtext("{jabber:x:data}value") for f in asked}
        assert values["pubsub#subscriber_jid"] == client.boundjid.bare
        assert values["pubsub#node"] == node
        alice.send_raw(f"<message to='{place}' id='a'>{answered(node, client, allow)}</message>")
        news = await client.next_event()
        assert (news.tag, news.get("subscription")) == (f"{EVENT}subscription", result)
    await alice.ask("set", publish(node, _X.format("for bob"), "1"), place)
    assert (await bob.next_event())[0].get("id") == "1"
    await carol.expect_no_event()
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>"
    assert items(await bob.ask("get", request, place)) == ["1"]
    expected = ("not-authorized", "not-subscribed") if service else ("item-not-found", "")
    assert await carol.refused("get", request, place) == expected  # she does not know alice


async def test_a_subscription_that_waits_is_approved_in_the_list(people: Three) -> None:
    alice, bob, _ = people
    node = await create(alice, access_model="authorize")
    await bob.ask("set", subscribe(bob, node), SERVICE)
    listed = await alice.ask("get", owner(f"<subscriptions node='{node}'/>"), SERVICE)
    found = [(s.get("jid"), s.get("subscription")) for s in listed.xml.iter(f"{{{OWNER}}}subscription")]
    assert found == [(bob.boundjid.bare, "pending")]
    # nobody but an owner answers
    bob.send_raw(f"<message to='{SERVICE}' id='x'>{answered(node, bob, '1')}</message>")
    await asyncio.sleep(0.2)
    assert await state(bob, node) == ["pending"]
    entry = f"<subscription jid='{bob.boundjid.bare}' subscription='subscribed'/>"
    await alice.ask("set", owner(f"<subscriptions node='{node}'>{entry}</subscriptions>"), SERVICE)
    assert (await bob.next_event()).get("subscription") == "subscribed"
    assert await state(bob, node) == ["subscribed"]


async def test_a_node_belongs_to_who_made_it(people: Three) -> None:
    alice, bob, _ = people
    node = await create(alice)
    again = f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/></pubsub>"
    assert await bob.refused("set", again, SERVICE) == ("conflict", "")
    for request in ("configure", "subscriptions", "affiliations"):
        assert await bob.refused("get", owner(f"<{request} node='{node}'/>"), SERVICE) == ("forbidden", "")
    for request in ("delete", "purge"):
        assert await bob.refused("set", owner(f"<{request} node='{node}'/>"), SERVICE) == ("forbidden", "")
    leaves = f"<affiliation jid='{alice.boundjid.bare}' affiliation='none'/>"
    refused = await alice.refused(
        "set", owner(f"<affiliations node='{node}'>{leaves}</affiliations>"), SERVICE
    )
    assert refused == ("not-acceptable", "")
    await bob.ask("set", subscribe(bob, node), SERVICE)
    await alice.ask("set", owner(f"<delete node='{node}'/>"), SERVICE)
    assert (await bob.next_event()).tag == f"{EVENT}delete"
    assert await bob.refused("set", subscribe(bob, node), SERVICE) == ("item-not-found", "")
    await create(bob, node)  # the name is free again


async def test_what_is_refused(people: Three) -> None:
    alice, _, _ = people
    assert await alice.refused("set", publish("nowhere", _X, "1"), SERVICE) == ("item-not-found", "")
    config = form(f"{PUBSUB}#node_config", {"access_model": "presence"})
    made = f"<pubsub xmlns='{PUBSUB}'><create node='p'/><configure>{config}</configure></pubsub>"
    assert await alice.refused("set", made, SERVICE) == ("not-acceptable", "unsupported-access-model")
    assert await alice.refused("get", "<query xmlns='jabber:iq:roster'/>", SERVICE) == (
        "service-unavailable",
        "",
    )
    request = f"<pubsub xmlns='{PUBSUB}'><create node='x'/></pubsub>"
    assert await alice.refused("set", request, f"somebody@{SERVICE}") == ("item-not-found", "")
    alice.send_raw(f"<message to='{SERVICE}' id='m' type='chat'><body>hello?</body></message>")
    while (message := await asyncio.wait_for(alice.messages.get(), PATIENCE)).get("type") != "error":
        pass
    assert message.get("from") == SERVICE
    instant = await alice.ask("set", f"<pubsub xmlns='{PUBSUB}'><create/></pubsub>", SERVICE)
    assert len(instant.xml[0][0].get("node")) == 32


async def test_an_account_makes_a_bounded_number_of_nodes(server: RunningServer) -> None:
    server.add_user("manynodes")
    async with RawClient(server.port) as client:
        await client.login("manynodes")
        await client.bind()
        kinds = []
        for number in range(66):
            made = f"<pubsub xmlns='{PUBSUB}'><create node='many{number}'/></pubsub>"
            client.send(f"<iq type='set' to='{SERVICE}' id='n{number}'>{made}</iq>")
        for number in range(66):
            kinds.append((await client.take(lambda e, id=f"n{number}": e.get("id") == id)).get("type"))
        assert kinds == ["result"] * 64 + ["error"] * 2


async def test_discovery_finds_the_service_and_its_nodes(people: Three) -> None:
    alice, bob, _ = people
    node = await create(alice, title="About cats", access_model="whitelist")
    disco = bob.plugin["xep_0030"]
    assert SERVICE in {jid for jid, _, _ in (await disco.get_items("localhost"))["disco_items"]["items"]}
    info = (await disco.get_info(SERVICE))["disco_info"]
    assert [identity[:2] for identity in info["identities"]] == [("pubsub", "service")]
    assert {PUBSUB, f"{PUBSUB}#instant-nodes", "urn:xmpp:ping"} <= set(info["features"])
    found = (await disco.get_items(SERVICE))["disco_items"]["items"]
    assert (SERVICE, node) in {(jid, name) for jid, name, _ in found}
    described = (await disco.get_info(SERVICE, node))["disco_info"]
    assert [identity[:2] for identity in described["identities"]] == [("pubsub", "leaf")]
    await bob.plugin["xep_0199"].send_ping(SERVICE)
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>"
    assert await bob.refused("get", query, SERVICE) == ("not-allowed", "closed-node")


async def test_items_expire(people: Three) -> None:
    alice, *_ = people
    node = await create(alice, item_expire="1")
    await write(alice, node, "1")
    assert await read(alice, node) == ["1"]
    await asyncio.sleep(1.2)
    assert await read(alice, node) == []


async def test_nodes_last_and_go_with_the_account_that_made_them(server: RunningServer) -> None:
    one, other = server.add_user("maker"), server.add_user("reader")
    async with connected(server.port, f"{one}/a") as alice:
        await create(alice, "kept")
        await write(alice, "kept", "1")
    server.kill()
    server.start()
    async with connected(server.port, f"{other}/b") as bob:
        assert await read(bob, "kept") == ["1"]
        server.kith("user", "remove", one, "--yes")
        request = f"<pubsub xmlns='{PUBSUB}'><items node='kept'/></pubsub>"
        async with asyncio.timeout(60):  # the server looks once a second
            with pytest.raises(IqError) as refused:  # noqa: PT012
                while await bob.ask("get", request, SERVICE):
                    await asyncio.sleep(0.2)
        assert refused.value.condition == "item-not-found"
        await create(bob, "kept")
        assert await read(bob, "kept") == []


async def test_contacts_do_not_matter_to_the_service(people: Three) -> None:
    alice, bob, _ = people
    await befriend(alice, bob)
    node = await create(alice, access_model="whitelist")
    assert await bob.refused("set", subscribe(bob, node), SERVICE) == ("not-allowed", "closed-node")


async def test_a_component_may_have_the_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("taken") / "data"
    with running(data, component_port=str(free_ports(1)[0]), components=f"{SERVICE}=secret") as server:
        async with connected(server.port, f"{server.add_user('alice')}/a") as alice:
            request = f"<pubsub xmlns='{PUBSUB}'><create node='x'/></pubsub>"
            assert await alice.refused("set", request, SERVICE) == ("service-unavailable", "")


async def test_one_account_subscribes_a_bounded_number_of_times(server: RunningServer, people: Three) -> None:
    alice, bob, carol = people
    node = await create(alice)
    for number in range(10):
        jid = f"{bob.boundjid.bare}/{number}"
        ask = f"<pubsub xmlns='{PUBSUB}'><subscribe node='{node}' jid='{jid}'/></pubsub>"
        await bob.ask("set", ask, SERVICE)
    raw = await online(server.port, bob.boundjid.user)  # slixmpp does not know the condition
    answer = await raw.iq("set", subscribe(bob, node), SERVICE)
    assert condition(answer) == "policy-violation"
    assert answer.find(f".//{{{PUBSUB}#errors}}too-many-subscriptions") is not None
    raw.abort()
    await carol.ask("set", subscribe(carol, node), SERVICE)


async def test_an_owner_is_not_asked_again_and_again(people: Three) -> None:
    alice, bob, _ = people
    node = await create(alice, access_model="authorize")
    for _ in range(6):
        await bob.ask("set", subscribe(bob, node), SERVICE)
        await bob.ask("set", subscribe(bob, node), SERVICE)
        await bob.ask("set", subscribe(bob, node, "unsubscribe"), SERVICE)
    await alice.plugin["xep_0199"].send_ping("localhost")
    assert alice.messages.qsize() == 3


async def test_who_may_not_read_any_more_is_no_subscriber_any_more(people: Three) -> None:
    alice, bob, carol = people
    node = await create(alice)
    for reader in (bob, carol):
        await reader.ask("set", subscribe(reader, node), SERVICE)
    out = f"<affiliation jid='{bob.boundjid.bare}' affiliation='outcast'/>"
    await alice.ask("set", owner(f"<affiliations node='{node}'>{out}</affiliations>"), SERVICE)
    assert (await state(bob, node), await state(carol, node)) == ([], ["subscribed"])
    closed = form(f"{PUBSUB}#node_config", {"access_model": "whitelist"})
    await alice.ask("set", owner(f"<configure node='{node}'>{closed}</configure>"), SERVICE)
    assert await state(carol, node) == []
