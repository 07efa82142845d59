"""XEP-0402 and XEP-0048: two ways to write one list of rooms."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer
from tests.raw import RawClient, condition, online

NODE = "urn:xmpp:bookmarks:1"
PUBSUB = "http://jabber.org/protocol/pubsub"
OLD = "{storage:bookmarks}"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    server.add_user("reader")


def store(inside: str) -> str:
    return f"<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{inside}</storage></query>"


def publish(jid: str, inside: str = "", attrs: str = "") -> str:
    conference = f"<conference xmlns='{NODE}' {attrs}>{inside}</conference>"
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='{jid}'>{conference}</item></publish>"
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>{PUBSUB}#publish-options</value></field>"
        "<field var='pubsub#max_items'><value>max</value></field>"
        "<field var='pubsub#access_model'><value>whitelist</value></field>"
        "<field var='pubsub#send_last_published_item'><value>never</value></field>"
        "</x></publish-options></pubsub>"
    )


async def old(client: RawClient) -> dict[str, Element]:
    answer = await client.iq("get", store(""))
    return {e.get("jid", ""): e for e in answer.iter(f"{OLD}conference")}


async def new(client: RawClient) -> dict[str, Element]:
    answer = await client.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>")
    return {item.get("id", ""): item[0] for item in answer.iter(f"{{{PUBSUB}}}item")}


async def test_what_a_newer_client_publishes_an_older_one_finds(
    server: RunningServer, accounts: None
) -> None:
    client = await online(server.port, "reader")
    inside = "<nick>Ann</nick><extensions><x xmlns='urn:x'/></extensions>"
    answer = await client.iq("set", publish("tea@rooms.example", inside, "name='Tea' autojoin='true'"))
    assert answer.get("type") == "result"
    room = (await old(client))["tea@rooms.example"]
    assert (room.get("name"), room.get("autojoin"), room.findtext(f"{OLD}nick")) == ("Tea", "true", "Ann")
    client.abort()


async def test_what_an_older_client_writes_a_newer_one_finds_with_its_extensions(
    server: RunningServer, accounts: None
) -> None:
    client = await online(server.port, "reader")
    await client.result("set", publish("tea@rooms.example", "<extensions><x xmlns='urn:x'/></extensions>"))
    rooms = (
        "<conference jid='Tea@rooms.example' name='Tea time' autojoin='1'><nick>A</nick></conference>"
        "<conference jid='coffee@rooms.example' autojoin='false'/><url name='w' url='https://e.example'/>"
    )
    assert (await client.iq("set", store(rooms))).get("type") == "result"
    found = await new(client)
    assert set(found) == {"tea@rooms.example", "coffee@rooms.example"}
    tea = found["tea@rooms.example"]
    assert (tea.get("name"), tea.get("autojoin"), tea.findtext(f"{{{NODE}}}nick")) == (
        "Tea time",
        "true",
        "A",
    )
    assert tea.find(f"{{{NODE}}}extensions/{{urn:x}}x") is not None
    assert found["coffee@rooms.example"].get("autojoin") is None
    answer = await client.iq("get", store(""))
    assert [e.get("url") for e in answer.iter(f"{OLD}url")] == ["https://e.example"]
    assert (await client.iq("set", store("<conference jid='coffee@rooms.example'/>"))).get("type") == "result"
    assert set(await new(client)) == {"coffee@rooms.example"}
    client.abort()


async def test_a_bookmark_without_an_address_changes_nothing(server: RunningServer, accounts: None) -> None:
    client = await online(server.port, "reader")
    before = set(await new(client))
    answer = await client.iq("set", store("<conference jid='@'/>"))
    assert condition(answer) == "bad-request"
    assert set(await new(client)) == before
    client.abort()


async def test_the_account_says_that_both_are_one(server: RunningServer, accounts: None) -> None:
    client = await online(server.port, "reader")
    info = await client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert {f"{NODE}#compat", f"{NODE}#compat-pep"} <= {e.get("var") for e in info[0]}
    client.abort()


# -- XEP-0048 in a node of its own -------------------------------------------------------------------


def storage(inside: str) -> str:
    item = f"<item id='current'><storage xmlns='storage:bookmarks'>{inside}</storage></item>"
    return f"<pubsub xmlns='{PUBSUB}'><publish node='storage:bookmarks'>{item}</publish></pubsub>"


async def middle(client: RawClient) -> list[str]:
    """The list as clients between the old and the new find it."""
    asked = f"<pubsub xmlns='{PUBSUB}'><items node='storage:bookmarks'/></pubsub>"
    answer = await client.iq("get", asked)
    return sorted(e.get("jid", "") for e in answer.iter(f"{OLD}conference"))


async def test_one_list_is_in_three_places(server: RunningServer, accounts: None) -> None:
    server.add_user("collector")
    client = await online(server.port, "collector")
    await client.result("set", publish("new@rooms.example"))
    assert await middle(client) == ["new@rooms.example"]
    both = "<conference jid='new@rooms.example'/><conference jid='mid@rooms.example' name='M'/>"
    assert (await client.iq("set", storage(both))).get("type") == "result"
    assert set(await new(client)) == set(await old(client)) == {"new@rooms.example", "mid@rooms.example"}
    await client.result("set", store("<conference jid='old@rooms.example'/>"))
    assert await middle(client) == ["old@rooms.example"]
    retract = (
        f"<pubsub xmlns='{PUBSUB}'><retract node='{NODE}'><item id='old@rooms.example'/></retract></pubsub>"
    )
    assert (await client.iq("set", retract)).get("type") == "result"
    assert await middle(client) == []
    client.abort()


async def test_nobody_else_reads_the_list_and_its_removal_is_no_end_of_bookmarks(
    server: RunningServer, accounts: None
) -> None:
    server.add_user("keeper")
    keeper, reader = await online(server.port, "keeper"), await online(server.port, "reader")
    await keeper.result("set", publish("room@rooms.example"))
    asked = f"<pubsub xmlns='{PUBSUB}'><items node='storage:bookmarks'/></pubsub>"
    for node in (NODE, "storage:bookmarks"):
        answer = await reader.iq("get", asked.replace("storage:bookmarks", node), keeper.bare)
        assert condition(answer) == "item-not-found"
    delete = f"<pubsub xmlns='{PUBSUB}#owner'><delete node='storage:bookmarks'/></pubsub>"
    assert (await keeper.iq("set", delete)).get("type") == "result"
    assert set(await new(keeper)) == {"room@rooms.example"}
    nonsense = storage("<conference jid='@'/><conference jid='room@rooms.example'/>")
    assert (await keeper.iq("set", nonsense)).get("type") == "result"
    assert set(await new(keeper)) == {"room@rooms.example"}
    keeper.abort()
    reader.abort()
