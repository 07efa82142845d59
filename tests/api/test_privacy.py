"""Who sees what: the server keeps to it, whatever clients say."""

from __future__ import annotations

import base64
import hashlib
from xml.etree.ElementTree import Element

import pytest

from tests.api.person import Device, Person
from tests.api.test_account import friends
from tests.conftest import RunningServer
from tests.raw import RawClient, condition

IMAGE = b"\x89PNG not really"
HASH = hashlib.sha1(IMAGE).hexdigest()
DATA, METADATA = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"
OPEN = (
    "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
    "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='pubsub#access_model'><value>open</value></field></x></publish-options>"
)


def publish(node: str, id: str, payload: str) -> str:
    return (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{node}'><item id='{id}'>{payload}</item></publish>{OPEN}</pubsub>"
    )


async def show_profile(client: RawClient) -> None:
    data = base64.b64encode(IMAGE).decode()
    info = f"<info id='{HASH}' type='image/png' bytes='{len(IMAGE)}'/>"
    for request in (
        publish(DATA, HASH, f"<data xmlns='{DATA}'>{data}</data>"),
        publish(METADATA, HASH, f"<metadata xmlns='{METADATA}'>{info}</metadata>"),
        "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><note><text>On holiday</text></note></vcard>",
    ):
        answer = await client.iq("set", request)
        assert answer.get("type") == "result", condition(answer)


async def items(client: RawClient, owner: str, node: str) -> Element:
    request = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    return await client.iq("get", request, owner)


async def sees(client: RawClient, owner: str) -> set[str]:
    """What somebody sees of an account's profile, by every way that there is."""
    found = set()
    for node in (DATA, METADATA, "urn:xmpp:vcard4"):
        if (await items(client, owner, node)).get("type") == "result":
            found.add(node)
    card = await client.iq("get", "<vCard xmlns='vcard-temp'/>", owner)
    if card.find(".//{vcard-temp}PHOTO") is not None:
        found.add("photo")
    card = await client.iq("get", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>", owner)
    if card.get("type") == "result":
        found.add("card")
    return found


AVATAR, ABOUT = {DATA, METADATA, "photo"}, {"urn:xmpp:vcard4", "card"}


async def three(server: RunningServer) -> tuple[Person, Device, RawClient, RawClient, RawClient]:
    """An account, one of its contacts, and a stranger."""
    people = [Person(server) for _ in range(3)]
    devices = [await person.register() for person in people]
    await friends(server, devices[0], devices[1])
    clients = [await device.online(server.port) for device in devices]
    return people[0], devices[0], *clients  # type: ignore[return-value]


@pytest.mark.parametrize("audience", ["everyone", "contacts", "nobody"])
async def test_avatar_and_card_are_for_whom_they_are_meant(server: RunningServer, audience: str) -> None:
    person, phone, me, contact, stranger = await three(server)
    await show_profile(me)
    assert await sees(stranger, me.bare) == AVATAR | ABOUT
    changed = await person.ask("PATCH", "/api/privacy", {"avatar": audience}, phone)
    assert changed.body["avatar"] == audience
    wanted = {"everyone": (AVATAR, AVATAR), "contacts": (AVATAR, set()), "nobody": (set(), set())}[audience]
    assert await sees(contact, me.bare) == wanted[0] | ABOUT
    assert await sees(stranger, me.bare) == wanted[1] | ABOUT
    assert await sees(me, me.bare) == AVATAR | ABOUT
    await show_profile(me)  # a client that says "open" opens nothing
    assert await sees(stranger, me.bare) == wanted[1] | ABOUT
    await person.done("PATCH", "/api/privacy", {"avatar": "everyone", "about": audience}, phone)
    wanted = {"everyone": (ABOUT, ABOUT), "contacts": (ABOUT, set()), "nobody": (set(), set())}[audience]
    assert await sees(contact, me.bare) == wanted[0] | AVATAR
    assert await sees(stranger, me.bare) == wanted[1] | AVATAR
    for client in (me, contact, stranger):
        client.abort()


async def test_last_seen_is_for_whom_it_is_meant(server: RunningServer) -> None:
    person, phone, me, contact, stranger = await three(server)
    last = "<query xmlns='jabber:iq:last'/>"

    async def who() -> list[bool]:
        return [(await c.iq("get", last, me.bare)).get("type") == "result" for c in (contact, stranger)]

    assert await who() == [True, False]
    for audience, wanted in (
        ("everyone", [True, True]),
        ("nobody", [False, False]),
        ("contacts", [True, False]),
    ):
        await person.done("PATCH", "/api/privacy", {"last_seen": audience}, phone)
        assert await who() == wanted
    for client in (me, contact, stranger):
        client.abort()


async def test_read_receipts_stay_at_home(server: RunningServer) -> None:
    person, phone, me, contact, stranger = await three(server)
    marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"
    receipt = "<received xmlns='urn:xmpp:receipts' id='1'/>"

    async def says(inside: str) -> list[str]:
        me.send(f"<message to='{contact.bare}' type='chat' id='m'>{inside}<body>.</body></message>")
        message = await contact.message()
        return [child.tag.partition("}")[2] for child in message]

    assert "displayed" in await says(marker)
    await person.done("PATCH", "/api/privacy", {"read_receipts": False}, phone)
    shown = await says(marker + receipt)
    assert "displayed" not in shown
    assert "received" in shown  # that it was delivered is another matter
    await person.done("PATCH", "/api/privacy", {"read_receipts": True}, phone)
    assert "displayed" in await says(marker)
    for client in (me, contact, stranger):
        client.abort()


async def test_settings_last(server: RunningServer) -> None:
    person = Person(server)
    phone = await person.register()
    before = (await person.ask("GET", "/api/privacy", device=phone)).body
    assert before == {
        "last_seen": "contacts",
        "avatar": "everyone",
        "about": "everyone",
        "read_receipts": True,
        "messages": "everyone",
        "calls": "everyone",
        "groups": "everyone",
    }
    change = {"last_seen": "nobody", "read_receipts": False}
    await person.done("PATCH", "/api/privacy", change, phone)
    assert (await person.ask("GET", "/api/privacy", device=phone)).body == before | change
    wrong = await person.ask("PATCH", "/api/privacy", {"avatar": "friends"}, phone)
    assert (wrong.status, wrong.error) == (400, "bad-request")
