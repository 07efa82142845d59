"""XEP-0030 and XEP-0199 against a running server."""

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, fromstring

import pytest

from kith.features.caps import verification
from kith.features.disco import Items, page
from kith.wire.errors import StanzaError
from tests.conftest import RunningServer
from tests.features.slix import befriend, connected
from tests.raw import RawClient, condition, online

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    server.add_user("asker")
    server.add_user("stranger")


@pytest.fixture
async def client(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    raw = await online(server.port, "asker")
    yield raw
    raw.abort()


def features(answer: Element) -> set[str]:
    return {element.get("var", "") for element in answer.iter(f"{{{INFO}}}feature")}


def identities(answer: Element) -> set[tuple[str, str]]:
    found = answer.iter(f"{{{INFO}}}identity")
    return {(element.get("category", ""), element.get("type", "")) for element in found}


async def test_the_server_and_the_account_answer_a_ping(client: RawClient) -> None:
    for to in (None, "localhost", "asker@localhost"):
        answer = await client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to)
        assert answer.get("type") == "result"


async def test_the_domain_says_what_it_is(client: RawClient) -> None:
    answer = await client.iq("get", f"<query xmlns='{INFO}'/>", "localhost")
    assert ("server", "im") in identities(answer)
    wanted = {INFO, ITEMS, "urn:xmpp:ping", "urn:xmpp:blocking", "http://jabber.org/protocol/caps"}
    assert wanted <= features(answer)


async def test_account_and_server_announce_the_archive(client: RawClient) -> None:
    for to in (None, "asker@localhost", "localhost"):
        answer = await client.iq("get", f"<query xmlns='{INFO}'/>", to)
        assert "urn:xmpp:mam:2" in features(answer)


async def test_ones_own_account_says_what_it_can(client: RawClient) -> None:
    answer = await client.iq("get", f"<query xmlns='{INFO}'/>")
    assert {("account", "registered"), ("pubsub", "pep")} <= identities(answer)
    pubsub = "http://jabber.org/protocol/pubsub"
    wanted = (
        "publish-options",
        "auto-create",
        "filtered-notifications",
        "persistent-items",
        "config-node-max",
    )
    assert {f"{pubsub}#{name}" for name in wanted} <= features(answer)


async def test_an_account_is_as_good_as_absent_to_a_stranger(client: RawClient) -> None:
    answers = [
        await client.iq("get", f"<query xmlns='{INFO}'/>", f"{name}@localhost")
        for name in ("stranger", "nobody")
    ]
    assert [condition(answer) for answer in answers] == ["service-unavailable"] * 2
    for name in ("stranger", "nobody"):
        answer = await client.iq("get", f"<query xmlns='{ITEMS}' node='x'/>", f"{name}@localhost")
        assert answer.get("type") == "result"
        assert not len(answer[0])


async def test_a_contact_may_ask_an_account(server: RunningServer) -> None:
    one, other = server.add_user("known1"), server.add_user("known2")
    async with connected(server.port, one) as alice, connected(server.port, other) as bob:
        await befriend(alice, bob)
        answer = await bob.ask("get", f"<query xmlns='{INFO}'/>", one)
        assert ("account", "registered") in identities(answer.xml)


async def test_an_unknown_node_is_not_found(client: RawClient) -> None:
    for to in ("localhost", "asker@localhost"):
        for namespace in (INFO, ITEMS):
            answer = await client.iq("get", f"<query xmlns='{namespace}' node='nowhere'/>", to)
            assert condition(answer) == "item-not-found"


async def test_items_are_the_services_and_for_accounts_the_nodes(client: RawClient) -> None:
    own = {"pubsub.localhost", "groups.localhost", "status.localhost", "upload.localhost"}
    for to, services in (("localhost", own), ("asker@localhost", set())):
        answer = await client.iq("get", f"<query xmlns='{ITEMS}'/>", to)
        assert answer.get("type") == "result"
        assert {item.get("jid") for item in answer[0]} == services


async def test_the_server_announces_capabilities_that_fit_what_it_says(server: RunningServer) -> None:
    server.add_user("capable")
    raw = RawClient(server.port)
    await raw.connect()
    await raw.login("capable")
    await raw.bind()
    async with connected(server.port, "capable@localhost") as slix:
        node = await slix.plugin["xep_0115"].get_verstring("localhost")
    assert node
    info = await raw.iq("get", f"<query xmlns='{INFO}' node='kith#{node}'/>", "localhost")
    assert info[0].get("node") == f"kith#{node}"
    assert verification(info[0], "sha-1") == node
    raw.abort()


def test_of_very_many_items_there_is_a_page() -> None:
    def query(inside: str = "") -> Element:
        items = "http://jabber.org/protocol/disco#items"
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{inside}</set>" if inside else ""
        return fromstring(f"<query xmlns='{items}'>{rsm}</query>")

    def names(query: Element, there: int = 2500) -> tuple[list[str], dict[str, str | None]]:
        found = page(query, Items("x", [str(number) for number in range(there)]))
        info = {e.tag.partition("}")[2]: e.text for e in found[-1]} if len(found[-1]) else {}
        return [e.get("node", "") for e in found if e.get("node")], info

    assert names(query(), 3) == (["0", "1", "2"], {})
    first, info = names(query())
    assert (len(first), info) == (1000, {"first": "0", "last": "999", "count": "2500"})
    second, info = names(query("<max>2</max><after>999</after>"))
    assert (second, info["last"]) == (["1000", "1001"], "1001")
    assert names(query("<max>2</max><before/>"))[0] == ["2498", "2499"]
    assert names(query("<max>2</max><before>10</before>"))[0] == ["8", "9"]
    for wrong in ("<after>nothing</after>", "<after>-7</after>", "<before>2501</before>"):
        with pytest.raises(StanzaError):
            names(query(wrong))
