"""Rosters, subscriptions and presence (RFC 6121 §2 to §4)."""

from __future__ import annotations

from itertools import count
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, body, condition, online, plain

ROSTER = "{jabber:iq:roster}"
QUERY = "<query xmlns='jabber:iq:roster'/>"
_numbers = count()


@pytest.fixture
def names(server: RunningServer) -> tuple[str, str]:
    number = next(_numbers)
    for name in (f"ada{number}", f"ben{number}"):
        server.add_user(name)
    return f"ada{number}", f"ben{number}"


def is_push(element: Element) -> bool:
    return element.tag == CLIENT + "iq" and element.get("type") == "set"


def presence(kind: str | None, sender: str) -> object:
    def matches(element: Element) -> bool:
        return (
            element.tag == CLIENT + "presence"
            and element.get("type") == kind
            and (element.get("from") or "").startswith(sender)
        )

    return matches


async def item(client: RawClient) -> dict[str, str]:
    """The item of the next roster push."""
    push = await client.take(is_push)
    client.send(f"<iq type='result' id='{push.get('id')}'/>")
    return dict(push[0][0].attrib)


async def interested(server: RunningServer, name: str) -> RawClient:
    client = await online(server.port, name, "r")
    await client.result("get", QUERY)
    return client


async def befriend(ada: RawClient, ben: RawClient) -> None:
    """Both see each other."""
    for asker, asked in ((ada, ben), (ben, ada)):
        asker.send(f"<presence type='subscribe' to='{asked.bare}'/>")
        await asked.take(presence("subscribe", asker.bare))
        asked.send(f"<presence type='subscribed' to='{asker.bare}'/>")
        await asker.take(presence("subscribed", asked.bare))
        await asked.ping()
        await asker.ping()
    for client in (ada, ben):
        client.inbox.clear()


async def test_a_subscription_goes_through_its_states_and_shows_presence(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = [await interested(server, name) for name in names]
    ada.send(f"<presence type='subscribe' to='{ben.bare}'/>")
    assert await item(ada) == {"jid": ben.bare, "subscription": "none", "ask": "subscribe"}
    request = await ben.take(presence("subscribe", ada.bare))
    assert request.get("from") == ada.bare
    ben.send(f"<presence type='subscribed' to='{ada.bare}'/>")
    assert await item(ben) == {"jid": ada.bare, "subscription": "from"}
    await ada.take(presence("subscribed", ben.bare))
    assert await item(ada) == {"jid": ben.bare, "subscription": "to"}
    await ada.take(presence(None, ben.jid))
    ben.send("<presence><show>away</show></presence>")
    await ada.take(lambda e: e.findtext(f"{CLIENT}show") == "away")
    ben.send(f"<presence type='unsubscribed' to='{ada.bare}'/>")
    assert await item(ben) == {"jid": ada.bare, "subscription": "none"}
    await ada.take(presence("unavailable", ben.jid))
    await ada.take(presence("unsubscribed", ben.bare))
    assert await item(ada) == {"jid": ben.bare, "subscription": "none"}


async def test_a_request_waits_for_a_contact_who_is_away(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada = await interested(server, names[0])
    ada.send(f"<presence type='subscribe' to='{names[1]}@localhost'/>")
    await ada.ping()
    ben = await online(server.port, names[1])
    assert (await ben.take(presence("subscribe", ada.bare))).get("to") == ben.bare
    roster = await ben.iq("get", QUERY)
    assert len(roster[0]) == 0  # a mere request is not a contact
    again = await online(server.port, names[1], "second")
    await again.take(presence("subscribe", ada.bare))


async def test_versions_and_approval_before_it_is_asked_for_are_announced(
    server: RunningServer, names: tuple[str, str]
) -> None:
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
        client.send(f"<auth xmlns='{sasl}' mechanism='PLAIN'>{plain(names[0], 'pw')}</auth>")
        await client.tag("success")
        client.open()
        found = {feature.tag for feature in await client.tag("features")}
    assert {"{urn:xmpp:features:rosterver}ver", "{urn:xmpp:features:pre-approval}sub"} <= found


async def test_a_contact_can_be_approved_before_it_asks(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = [await interested(server, name) for name in names]
    ben.send(f"<presence type='subscribed' to='{ada.bare}'/>")
    assert await item(ben) == {"jid": ada.bare, "subscription": "none", "approved": "true"}
    await ada.expect_nothing("presence")
    ada.send(f"<presence type='subscribe' to='{ben.bare}'/>")
    await ada.take(presence("subscribed", ben.bare))
    assert (await item(ben))["subscription"] == "from"
    await ada.take(presence(None, ben.jid))


async def test_removing_a_contact_ends_both_subscriptions(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = [await interested(server, name) for name in names]
    await befriend(ada, ben)
    remove = f"<query xmlns='jabber:iq:roster'><item jid='{ben.bare}' subscription='remove'/></query>"
    assert (await ada.iq("set", remove)).get("type") == "result"
    pushes = [await item(ada) for _ in range(3)]
    assert pushes[-1] == {"jid": ben.bare, "subscription": "remove"}
    await ben.take(presence("unsubscribe", ada.bare))
    await ben.take(presence("unsubscribed", ada.bare))
    roster = await ben.iq("get", QUERY)
    assert {i.get("jid"): i.get("subscription") for i in roster[0]} == {ada.bare: "none"}
    assert condition(await ada.iq("set", remove)) == "item-not-found"


async def test_a_client_with_an_old_version_gets_only_what_changed(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada = await interested(server, names[0])

    async def put(name: str) -> None:
        child = f"<item jid='{name}@localhost' name='{name}'><group>g</group></item>"
        await ada.result("set", f"<query xmlns='jabber:iq:roster'>{child}</query>")

    for name in ("x", "y"):
        await put(name)
    full = await ada.iq("get", QUERY)
    assert {i.get("name") for i in full[0]} == {"x", "y"}
    version = full[0].get("ver")
    await put("z")
    remove = "<query xmlns='jabber:iq:roster'><item jid='x@localhost' subscription='remove'/></query>"
    await ada.result("set", remove)
    other = await online(server.port, names[0], "other")
    answer = await other.iq("get", f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
    assert len(answer) == 0
    assert await item(other) == {"jid": "z@localhost", "name": "z", "subscription": "none"}
    assert await item(other) == {"jid": "x@localhost", "subscription": "remove"}
    for version in ("999999999", "²", "9" * 5000, "-1", "x"):
        unknown = await other.iq("get", f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
        assert {i.get("name") for i in unknown[0]} == {"y", "z"}


@pytest.mark.parametrize(
    ("child", "error"),
    [
        ("", "bad-request"),
        ("<item jid='a@localhost'/><item jid='b@localhost'/>", "bad-request"),
        ("<item/>", "bad-request"),
        ("<item jid='a@b@c'/>", "jid-malformed"),
        ("<item jid='a@localhost'><group/></item>", "not-acceptable"),
        ("<item jid='a@localhost'><group>x</group><group>x</group></item>", "bad-request"),
        (f"<item jid='a@localhost' name='{'n' * 2000}'/>", "not-acceptable"),
    ],
)
async def test_a_wrong_roster_item_is_refused(
    server: RunningServer, names: tuple[str, str], child: str, error: str
) -> None:
    ada = await online(server.port, names[0])
    answer = await ada.iq("set", f"<query xmlns='jabber:iq:roster'>{child}</query>")
    assert condition(answer) == error


async def test_directed_presence_ends_when_the_session_does(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = [await online(server.port, name) for name in names]
    ada.send(f"<presence to='{ben.jid}'/>")
    await ben.take(presence(None, ada.jid))
    ada.abort()
    await ben.take(presence("unavailable", ada.jid))


async def test_contacts_see_each_other_come_and_go(server: RunningServer, names: tuple[str, str]) -> None:
    ada, ben = [await interested(server, name) for name in names]
    await befriend(ada, ben)
    second = await online(server.port, names[0], "second")
    await ben.take(presence(None, second.jid))
    await ada.take(presence(None, second.jid))
    await second.take(presence(None, ben.jid))
    await second.take(presence(None, ada.jid))
    second.abort()
    await ben.take(presence("unavailable", second.jid))
    ada.send(f"<message to='{ben.jid}'><body>x</body></message>")
    assert body(await ben.message()) == "x"


async def test_a_probe_shows_presence_only_to_those_who_may_see_it(
    server: RunningServer, names: tuple[str, str]
) -> None:
    ada, ben = [await interested(server, name) for name in names]
    ada.send(f"<presence type='probe' to='{ben.bare}'/>")
    await ada.take(presence("unsubscribed", ben.bare))
    await befriend(ada, ben)
    ada.send(f"<presence type='probe' to='{ben.bare}'/>")
    await ada.take(presence(None, ben.jid))


async def test_presence_that_makes_no_sense_is_refused(server: RunningServer, names: tuple[str, str]) -> None:
    ada = await online(server.port, names[0])
    for text in (
        "<presence type='nonsense'/>",
        "<presence><priority>300</priority></presence>",
        "<presence type='subscribe'/>",
    ):
        ada.send(text)
        answer = await ada.take(lambda e: e.tag == CLIENT + "presence" and e.get("type") == "error")
        assert condition(answer) == "bad-request"


async def test_who_goes_unavailable_is_told_so_itself(server: RunningServer, names: tuple[str, str]) -> None:
    """RFC 6121 §4.5.2: all the account's resources, and the one that it came from."""
    phone, laptop = (
        await online(server.port, names[0], "phone"),
        await online(server.port, names[0], "laptop"),
    )
    laptop.inbox.clear()
    laptop.send("<presence type='unavailable' id='bye'><status>gone</status></presence>")
    for client in (laptop, phone):
        gone = await client.take(presence("unavailable", laptop.jid))
        assert (gone.get("id"), gone.findtext(f"{CLIENT}status")) == ("bye", "gone")
    laptop.send("<presence type='unavailable'/>")  # it was not available
    await laptop.expect_nothing("presence")
