"""XEP-0115 against a running server: what it asks, what it believes, and of whom."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from kith.features.caps import verification
from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, online

INFO = "http://jabber.org/protocol/disco#info"
CAPS = "http://jabber.org/protocol/caps"
NICK = "http://jabber.org/protocol/nick"
PUBLISH = (
    f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{NICK}'><item>"
    f"<nick xmlns='{NICK}'>N</nick></item></publish></pubsub>"
)


def query(*features: str) -> str:
    inner = "".join(f"<feature var='{feature}'/>" for feature in features)
    return f"<query xmlns='{INFO}'><identity category='client' type='pc'/>{inner}</query>"


def ver(answer: str, algorithm: str = "sha-1") -> str:
    return verification(ElementTree.fromstring(answer), algorithm)


def announce(client: RawClient, ver: str, hash: str = "sha-1") -> None:
    client.send(f"<presence><c xmlns='{CAPS}' hash='{hash}' node='urn:example' ver='{ver}'/></presence>")


async def question(client: RawClient) -> Element:
    return await client.take(lambda e: e.find(f"{{{INFO}}}query") is not None and e.get("type") == "get")


async def tell(client: RawClient, answer: str) -> None:
    asked = await question(client)
    client.send(f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>{answer}</iq>")
    await client.ping()


async def asked_again(client: RawClient) -> bool:
    await client.ping()
    return any(e.find(f"{{{INFO}}}query") is not None and e.get("type") == "get" for e in client.inbox)


def is_event(element: Element) -> bool:
    return element.tag == CLIENT + "message"


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    server.add_user("one")
    server.add_user("two")


async def test_a_known_client_is_not_asked_again(server: RunningServer, accounts: None) -> None:
    answer = query("urn:a", f"{NICK}+notify")
    first = await online(server.port, "one", presence=None)
    announce(first, ver(answer))
    asked = await question(first)
    assert asked.get("from") == "one@localhost"
    assert asked[0].get("node") == f"urn:example#{ver(answer)}"
    first.send(f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>{answer}</iq>")
    second = await online(server.port, "two", presence=None)
    await first.ping()
    announce(second, ver(answer))
    assert not await asked_again(second)
    await second.result("set", PUBLISH)
    assert (await second.take(is_event)).get("from") == "two@localhost"
    first.abort()
    second.abort()


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
async def test_other_hashes_are_checked_too(server: RunningServer, accounts: None, algorithm: str) -> None:
    answer = query(f"urn:{algorithm}")
    for expected in (True, False):
        client = await online(server.port, "one", presence=None)
        announce(client, ver(answer, algorithm), algorithm)
        assert await asked_again(client) is expected
        if expected:
            await tell(client, answer)
        client.abort()


async def test_a_lie_is_believed_of_the_liar_alone(server: RunningServer, accounts: None) -> None:
    honest = query("urn:honest")
    liar = await online(server.port, "one", presence=None)
    announce(liar, ver(honest))
    await tell(liar, query("urn:honest", f"{NICK}+notify"))
    await liar.result("set", PUBLISH)
    assert await liar.take(is_event) is not None
    victim = await online(server.port, "two", presence=None)
    announce(victim, ver(honest))
    assert await asked_again(victim)
    await tell(victim, honest)
    await victim.result("set", PUBLISH)
    await victim.expect_nothing()
    liar.abort()
    victim.abort()


async def test_an_error_or_far_too_much_is_taken_for_no_interest(
    server: RunningServer, accounts: None
) -> None:
    client = await online(server.port, "one", presence=None)
    announce(client, "error")
    asked = await question(client)
    client.send(f"<iq type='error' id='{asked.get('id')}' to='{asked.get('from')}'/>")
    await client.result("set", PUBLISH)
    await client.expect_nothing()
    many = query(f"{NICK}+notify", *(f"urn:{number}" for number in range(600)))
    announce(client, ver(many))
    await tell(client, many)
    await client.result("set", PUBLISH)
    await client.expect_nothing()
    client.abort()


async def test_an_answer_to_no_question_changes_nothing(server: RunningServer, accounts: None) -> None:
    answer = query("urn:unasked", f"{NICK}+notify")
    client = await online(server.port, "one", presence=None)
    client.send(f"<iq type='result' id='caps1' to='one@localhost'>{answer}</iq>")
    announce(client, ver(answer))
    assert await asked_again(client)
    client.send(f"<iq type='result' id='wrong' to='one@localhost'>{answer}</iq>")
    await client.result("set", PUBLISH)
    await client.expect_nothing()
    client.abort()


async def test_who_goes_offline_is_told_of_nothing_until_it_is_back(
    server: RunningServer, accounts: None
) -> None:
    answer = query("urn:back", f"{NICK}+notify")
    client = await online(server.port, "one", presence=None)
    announce(client, ver(answer))
    await tell(client, answer)
    client.send("<presence type='unavailable'/>")
    await client.ping()
    client.inbox.clear()
    await client.result("set", PUBLISH)
    await client.expect_nothing()
    announce(client, ver(answer))
    event = await client.take(is_event)
    assert event.find("{urn:xmpp:delay}delay") is not None
    client.abort()
