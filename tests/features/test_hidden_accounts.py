"""RFC 6121 §8.5.1: to a stranger, an account that exists answers as one that does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element, tostring

import pytest

from tests.conftest import RunningServer
from tests.raw import RawClient, online

PUBSUB = "http://jabber.org/protocol/pubsub"
REQUESTS = {
    "ping": ("get", "<ping xmlns='urn:xmpp:ping'/>"),
    "version": ("get", "<query xmlns='jabber:iq:version'/>"),
    "time": ("get", "<time xmlns='urn:xmpp:time'/>"),
    "last activity": ("get", "<query xmlns='jabber:iq:last'/>"),
    "info": ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    "info of a node": ("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>"),
    "items": ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
    "page of items": (
        "get",
        "<query xmlns='http://jabber.org/protocol/disco#items'>"
        "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query>",
    ),
    "items of a node": ("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>"),
    "commands": (
        "get",
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
    ),
    "card": ("get", "<vCard xmlns='vcard-temp'/>"),
    "card of another": ("set", "<vCard xmlns='vcard-temp'><FN>x</FN></vCard>"),
    "newer card": ("get", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"),
    "nodes": ("get", f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:bookmarks:1'/></pubsub>"),
    "subscription": ("set", f"<pubsub xmlns='{PUBSUB}'><subscribe node='n' jid='cyd@localhost'/></pubsub>"),
    "publishing": ("set", f"<pubsub xmlns='{PUBSUB}'><publish node='n'><item/></publish></pubsub>"),
    "owner's": ("get", f"<pubsub xmlns='{PUBSUB}#owner'><configure node='n'/></pubsub>"),
    "own subscriptions": ("get", f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>"),
    "own affiliations": ("get", f"<pubsub xmlns='{PUBSUB}'><affiliations/></pubsub>"),
    "own subscriptions at a node": ("get", f"<pubsub xmlns='{PUBSUB}'><subscriptions node='n'/></pubsub>"),
    "own affiliations at a node": ("get", f"<pubsub xmlns='{PUBSUB}'><affiliations node='n'/></pubsub>"),
    "affiliations at a closed node": (
        "get",
        f"<pubsub xmlns='{PUBSUB}'><affiliations node='urn:xmpp:bookmarks:1'/></pubsub>",
    ),
    "roster": ("get", "<query xmlns='jabber:iq:roster'/>"),
    "archive": ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
    "registration": ("get", "<query xmlns='jabber:iq:register'/>"),
    "blocking": ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
    "nothing known": ("get", "<a xmlns='urn:b'/>"),
}


@pytest.fixture
async def stranger(server: RunningServer) -> AsyncIterator[RawClient]:
    """Somebody is online with a bookmark that only they may read; somebody else is offline."""
    for name in ("ada", "ben", "cyd"):
        server.add_user(name)
    ada = await online(server.port, "ada")
    item = "<item id='r@x.y'><conference xmlns='urn:xmpp:bookmarks:1'/></item>"
    publish = f"<publish node='urn:xmpp:bookmarks:1'>{item}</publish>"
    await ada.result("set", f"<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>")
    cyd = await online(server.port, "cyd")
    yield cyd
    ada.abort()
    cyd.abort()


def shape(answer: Element, name: str) -> str:
    answer.attrib.pop("id", None)
    return tostring(answer).decode().replace(f"{name}@localhost", "SOMEBODY")


async def test_no_request_tells_a_stranger_who_is_here(stranger: RawClient) -> None:
    await expect_the_same(stranger)


async def expect_the_same(stranger: RawClient) -> None:
    for what, (type, request) in REQUESTS.items():
        for resource in ("", "/phone"):
            seen = {
                name: shape(await stranger.iq(type, request, f"{name}@localhost{resource}"), name)
                for name in ("ada", "ben", "nobody")
            }
            assert len(set(seen.values())) == 1, (what, resource, seen)


async def test_whom_somebody_has_blocked_learns_nothing_by_it(
    server: RunningServer, stranger: RawClient
) -> None:
    ada = await online(server.port, "ada")
    await ada.result("set", "<block xmlns='urn:xmpp:blocking'><item jid='cyd@localhost'/></block>")
    try:
        await expect_the_same(stranger)
        await expect_the_same_of_presence(stranger)
    finally:
        await ada.result("set", "<unblock xmlns='urn:xmpp:blocking'/>")
        ada.abort()


async def test_presence_tells_a_stranger_nothing(stranger: RawClient) -> None:
    await expect_the_same_of_presence(stranger)


async def expect_the_same_of_presence(stranger: RawClient) -> None:
    for kind in ("probe", "subscribe", "unsubscribe", "unavailable", ""):
        seen = {}
        for name in ("ada", "ben", "nobody"):
            type = f" type='{kind}'" if kind else ""
            stranger.send(f"<presence to='{name}@localhost'{type}/>")
            await stranger.ping()
            heard = [e for e in stranger.inbox if e.tag.endswith("}presence")]
            for element in heard:
                stranger.inbox.remove(element)
            seen[name] = [shape(element, name) for element in heard if element.get("from") != stranger.jid]
        assert seen["ada"] == seen["ben"] == seen["nobody"], kind
