"""XEP-0352: what waits while a client is inactive, and what does not."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest

from kith.features.csi import MAX_HELD, waits
from tests.conftest import RunningServer
from tests.raw import RawClient, body, online

INACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>"
ACTIVE = "<active xmlns='urn:xmpp:csi:0'/>"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
PAUSED = "<paused xmlns='http://jabber.org/protocol/chatstates'/>"
EVENT = (
    "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='{}'/></items></event>"
)
COPY = (
    "<{0} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<message xmlns='jabber:client'>{1}</message></forwarded></{0}>"
)


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("phone", "friend"):
        server.add_user(name)


@pytest.fixture
async def phone(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    client = await online(server.port, "phone")
    yield client
    client.abort()


@pytest.fixture
async def friend(server: RunningServer, accounts: None, phone: RawClient) -> AsyncIterator[RawClient]:
    """Seen by the phone."""
    client = await online(server.port, "friend")
    phone.send("<presence type='subscribe' to='friend@localhost'/>")
    await phone.ping()
    client.send("<presence type='subscribed' to='phone@localhost'/>")
    await client.ping()
    await phone.ping()
    phone.inbox.clear()
    yield client
    client.abort()


async def say(friend: RawClient, inside: str) -> None:
    friend.send(f"<message to='phone@localhost' type='chat'>{inside}</message>")
    await friend.ping()


def stanzas(client: RawClient) -> list[Element]:
    return [e for e in client.inbox if e.tag in ("{jabber:client}message", "{jabber:client}presence")]


async def quiet(client: RawClient) -> None:
    """What was sent before has come; an iq would release what is held."""
    await asyncio.sleep(0.2)


async def test_the_stream_offers_it(server: RunningServer, accounts: None) -> None:
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        token = base64.b64encode(b"\0phone\0pw").decode()
        client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        await client.tag("success")
        client.open()
        assert (await client.tag("features")).find("{urn:xmpp:csi:0}csi") is not None


async def test_presence_and_typing_wait_and_the_newest_comes_when_the_client_wakes(
    phone: RawClient, friend: RawClient
) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    for show in ("away", "dnd", "xa"):
        friend.send(f"<presence><show>{show}</show></presence>")
    await say(friend, TYPING)
    await say(friend, PAUSED)
    await quiet(phone)
    assert stanzas(phone) == []
    phone.send(ACTIVE)
    await phone.ping()
    shows = [e.findtext("{jabber:client}show") for e in stanzas(phone) if e.tag.endswith("presence")]
    states = [e[0].tag.partition("}")[2] for e in stanzas(phone) if e.tag.endswith("message")]
    assert (shows, states) == (["xa"], ["paused"])


async def test_a_message_comes_at_once_and_after_what_was_held(phone: RawClient, friend: RawClient) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    friend.send("<presence><show>away</show></presence>")
    await say(friend, "<received xmlns='urn:xmpp:receipts' id='r'/>")
    await say(friend, "<body>wake up</body>")
    assert body(await phone.take(lambda e: e.findtext("{jabber:client}body"))) == "wake up"
    kinds = [e.tag.partition("}")[2] for e in stanzas(phone)]
    assert kinds == ["presence", "message"]
    await say(friend, TYPING)
    await quiet(phone)
    assert len(stanzas(phone)) == 2  # still inactive


CALL = "<{} xmlns='urn:xmpp:jingle-message:0' id='call'/>"
MENTION = (
    "<body>look</body><reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:phone@localhost'/>"
)
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>"


@pytest.mark.parametrize(
    ("type", "inside"),
    [
        ("chat", CALL.format("propose")),
        ("chat", CALL.format("proceed")),
        ("chat", CALL.format("reject")),
        ("chat", CALL.format("retract")),
        ("chat", CALL.format("finish") + "<store xmlns='urn:xmpp:hints'/>"),
        ("chat", OMEMO + "<store xmlns='urn:xmpp:hints'/>"),
        ("chat", MENTION),
        ("groupchat", MENTION),
        ("groupchat", "<body>to all</body>"),
    ],
)
async def test_calls_mentions_and_encrypted_messages_come_at_once(
    phone: RawClient, friend: RawClient, type: str, inside: str
) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    await say(friend, TYPING)
    friend.send(f"<message to='{phone.jid}' type='{type}' id='urgent'>{inside}</message>")
    await phone.take(lambda e: e.get("id") == "urgent")
    assert [e[0].tag.partition("}")[2] for e in stanzas(phone)] == [
        "composing"
    ]  # held before, so it came first


@pytest.mark.parametrize("type", ["chat", "normal"])
async def test_a_phone_in_a_pocket_stops_ringing_when_another_device_takes_the_call(
    server: RunningServer, phone: RawClient, friend: RawClient, type: str
) -> None:
    tablet = await online(server.port, "phone", "tablet")
    await phone.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    phone.send(INACTIVE)
    await quiet(phone)
    friend.send(f"<message to='phone@localhost' type='chat'>{CALL.format('propose')}</message>")
    assert (await phone.message())[0].tag.endswith("propose")
    read = "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>"
    tablet.send(f"<message to='{friend.jid}' type='chat'>{read}</message>")
    await tablet.ping()
    await quiet(phone)
    assert [e for e in stanzas(phone) if e.tag.endswith("message")] == []
    tablet.send(f"<message to='{friend.jid}' type='{type}'>{CALL.format('proceed')}</message>")
    copy = await phone.take(lambda e: e.find(".//{urn:xmpp:jingle-message:0}proceed") is not None)
    assert copy[0].tag.endswith("sent")
    tablet.abort()


async def test_requests_come_at_once(phone: RawClient, friend: RawClient) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    friend.send(f"<iq type='get' id='x' to='{phone.jid}'><query xmlns='jabber:iq:version'/></iq>")
    assert (await phone.tag("iq")).get("id") == "x"
    friend.send("<presence type='unsubscribed' to='phone@localhost'/>")
    assert (await phone.take(lambda e: e.get("type") == "unsubscribed")) is not None


async def test_what_is_held_has_a_bound(phone: RawClient, friend: RawClient) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    for number in range(MAX_HELD + 1):
        friend.send(
            "<message to='phone@localhost' type='chat'>"
            f"<received xmlns='urn:xmpp:receipts' id='r{number}'/></message>"
        )
    await friend.ping()
    await quiet(phone)
    found = [e[0].get("id") for e in stanzas(phone)]
    assert found == [f"r{number}" for number in range(MAX_HELD + 1)]


async def test_what_was_held_when_the_connection_broke_comes_with_the_resumption(
    server: RunningServer, phone: RawClient, friend: RawClient
) -> None:
    phone.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    token = (await phone.tag("enabled")).get("id")
    phone.send(INACTIVE)
    await quiet(phone)
    await say(friend, "<received xmlns='urn:xmpp:receipts' id='held'/>")
    phone.abort()
    await quiet(phone)
    friend.send("<presence><show>dnd</show></presence>")
    await friend.ping()
    async with RawClient(server.port) as again:
        await again.login("phone")
        again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>")
        await again.tag("resumed")
        assert (await again.message())[0].get("id") == "held"
        assert (await again.tag("presence")).findtext("{jabber:client}show") == "dnd"
        await say(friend, TYPING)
        assert (await again.message())[0].tag.endswith("composing")  # active again


async def test_what_was_held_and_never_sent_waits_in_the_log(
    server: RunningServer, phone: RawClient, friend: RawClient
) -> None:
    phone.send(INACTIVE)
    await quiet(phone)
    await say(friend, "<received xmlns='urn:xmpp:receipts' id='kept'/>")
    phone.abort()
    await quiet(phone)
    again = await online(server.port, "phone")
    assert "kept" in [child.get("id") for e in stanzas(again) for child in e]
    again.abort()


async def test_an_unknown_element_is_an_error_of_the_stream(phone: RawClient) -> None:
    phone.send("<drowsy xmlns='urn:xmpp:csi:0'/>")
    assert (await phone.tag("error"))[0].tag.endswith("unsupported-stanza-type")


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        ("<iq type='result'/>", None),
        ("<presence from='a'/>", "presence a"),
        ("<presence from='a' type='subscribe'/>", None),
        ("<message from='a'><body>x</body></message>", None),
        ("<message from='a'><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>", None),
        ("<message from='a'><propose xmlns='urn:xmpp:jingle-message:0'/></message>", None),
        (f"<message from='a'>{TYPING}</message>", "typing a"),
        (f"<message from='a'>{TYPING}<body>x</body></message>", None),
        ("<message from='a' type='error'/>", None),
        (f"<message from='a'>{EVENT.format('1')}</message>", "event a n 1"),
        (f"<message from='a'>{COPY.format('sent', '<body>x</body>')}</message>", ""),
        (f"<message from='a'>{COPY.format('sent', CALL.format('reject'))}</message>", None),
        (f"<message from='a'>{COPY.format('received', '<body>x</body>')}</message>", None),
        (f"<message from='a'>{COPY.format('received', TYPING)}</message>", ""),
    ],
)
def test_what_waits_and_what_it_replaces(stanza: str, expected: str | None) -> None:
    assert waits(stanza.encode()) == expected
