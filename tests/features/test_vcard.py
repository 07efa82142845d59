"""XEP-0054, XEP-0084, XEP-0153 and XEP-0398: one face, whichever way a client shows or reads it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer
from tests.features.slix import Client, befriend, connected
from tests.raw import RawClient, condition, online

PNG = b"\x89PNG not really"
JPEG = b"\xff\xd8 nor this"
UPDATE = "{vcard-temp:x:update}"
V = "{vcard-temp}"
DATA, METADATA = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture(scope="module")
def accounts(server: RunningServer) -> None:
    for name in ("face", "looker", "stranger", "plain"):
        server.add_user(name)


@pytest.fixture
async def friends(server: RunningServer, accounts: None) -> AsyncIterator[tuple[Client, Client]]:
    async with (
        connected(server.port, "face@localhost") as face,
        connected(server.port, "looker@localhost", [METADATA]) as looker,
    ):
        for client in (face, looker):
            client.register_plugin("xep_0084")
            client.register_plugin("xep_0054")
        known = await face.get_roster()
        if not known["roster"]["items"]:
            await befriend(face, looker)
        yield face, looker


async def show(client: Client, data: bytes) -> None:
    avatar = client.plugin["xep_0084"]
    await avatar.publish_avatar(data)
    info = {"id": sha1(data), "type": "image/png", "bytes": str(len(data))}
    await avatar.publish_avatar_metadata([info])


async def photo(client: Client, jid: str) -> bytes:
    answer = await client.plugin["xep_0054"].get_vcard(jid, cached=False)
    text = answer.xml.findtext(f".//{V}BINVAL")
    return base64.b64decode(text or "")


async def presence_with_hash(client: Client, hash: str) -> Element:
    while True:
        presence = await client.presences.get()
        if presence.findtext(f"{UPDATE}x/{UPDATE}photo") == hash:
            return presence


async def test_an_avatar_of_the_nodes_is_in_the_card_and_in_presence(friends: tuple[Client, Client]) -> None:
    face, looker = friends
    await show(face, PNG)
    assert await photo(looker, "face@localhost") == PNG
    seen = await presence_with_hash(looker, sha1(PNG))
    assert seen.get("from") == face.boundjid.full
    face.send_presence(pshow="away")
    again = await presence_with_hash(looker, sha1(PNG))
    assert again.findtext("{jabber:client}show") == "away"


async def test_a_photo_of_a_card_becomes_the_avatar(friends: tuple[Client, Client]) -> None:
    face, looker = friends
    card = (
        "<vCard xmlns='vcard-temp'><FN>Face</FN><PHOTO><TYPE>image/jpeg</TYPE>"
        f"<BINVAL>\n{base64.b64encode(JPEG).decode()}\n</BINVAL></PHOTO></vCard>"
    )
    await face.ask("set", card)
    await presence_with_hash(looker, sha1(JPEG))
    event = await looker.next_event()
    while not (infos := list(event.iter(f"{{{METADATA}}}info"))) or infos[0].get("id") != sha1(JPEG):
        event = await looker.next_event()
    assert infos[0].get("type") == "image/jpeg"
    answer = await looker.plugin["xep_0084"].retrieve_avatar("face@localhost", sha1(JPEG))
    assert answer["pubsub"]["items"]["item"]["avatar_data"]["value"] == JPEG
    got: Any = await looker.plugin["xep_0054"].get_vcard("face@localhost", cached=False)
    assert got.xml.findtext(f".//{V}FN") == "Face"
    assert len(got.xml.findall(f".//{V}PHOTO")) == 1
    await face.ask("set", "<vCard xmlns='vcard-temp'><FN>Face</FN></vCard>")
    assert await photo(looker, "face@localhost") == b""


async def test_the_avatar_of_a_node_that_is_not_open_is_not_shown_to_strangers(
    server: RunningServer, friends: tuple[Client, Client]
) -> None:
    face, looker = friends
    configure = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='{}'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/pubsub#node_config</value></field>"
        "<field var='pubsub#access_model'><value>presence</value></field></x></configure></pubsub>"
    )
    await show(face, PNG)
    await face.ask("set", configure.format(DATA))
    stranger = await online(server.port, "stranger")
    answer = await stranger.iq("get", "<vCard xmlns='vcard-temp'/>", "face@localhost")
    assert answer.get("type") == "result"
    assert answer.find(f".//{V}PHOTO") is None
    assert await photo(looker, "face@localhost") == PNG
    stranger.abort()


async def test_a_client_that_shows_no_face_is_left_alone(
    server: RunningServer, friends: tuple[Client, Client]
) -> None:
    face, _ = friends
    await show(face, PNG)
    other = await online(server.port, "face", presence=f"<x xmlns='{UPDATE[1:-1]}'><photo/></x>")
    echo = "<presence><status>here</status><x xmlns='vcard-temp:x:update'><photo/></x></presence>"
    other.send(echo)
    own = await other.take(lambda e: e.findtext("{jabber:client}status") == "here")
    found = own.find(f"{UPDATE}x/{UPDATE}photo")
    assert found is not None
    assert not found.text
    other.abort()


async def test_the_hash_is_known_after_a_restart(server: RunningServer, accounts: None) -> None:
    async with connected(server.port, "face@localhost") as face:
        face.register_plugin("xep_0084")
        await show(face, JPEG)
    server.stop()
    server.start()
    face_again = await online(server.port, "face", presence=None)
    face_again.send("<presence/>")
    own = await face_again.tag("presence")
    assert own.findtext(f"{UPDATE}x/{UPDATE}photo") == sha1(JPEG)
    face_again.abort()


@pytest.fixture
async def plain(server: RunningServer, accounts: None) -> AsyncIterator[RawClient]:
    client = await online(server.port, "plain")
    yield client
    client.abort()


async def test_who_has_no_card_has_an_empty_one_and_others_find_none(
    server: RunningServer, plain: RawClient
) -> None:
    own = await plain.iq("get", "<vCard xmlns='vcard-temp'/>")
    assert own.get("type") == "result"
    assert not len(own[0])
    stranger = await online(server.port, "stranger")
    for jid in ("plain@localhost", "nobody@localhost"):  # the same, so that nobody learns who is here
        answer = await stranger.iq("get", "<vCard xmlns='vcard-temp'/>", jid)
        assert condition(answer) == "item-not-found"
    answer = await stranger.iq("set", "<vCard xmlns='vcard-temp'><FN>x</FN></vCard>", "plain@localhost")
    assert condition(answer) == "service-unavailable"
    stranger.abort()


@pytest.mark.parametrize(
    ("photo", "expected"), [("%%%", "bad-request"), ("A" * 270_000, "resource-constraint")]
)
async def test_a_photo_that_can_not_be_is_refused(plain: RawClient, photo: str, expected: str) -> None:
    card = f"<vCard xmlns='vcard-temp'><PHOTO><BINVAL>{photo}</BINVAL></PHOTO></vCard>"
    assert condition(await plain.iq("set", card)) == expected


async def test_nicknames_and_vcard4_travel_by_nodes(friends: tuple[Client, Client]) -> None:
    face, looker = friends
    for node, payload, text in (
        (
            "http://jabber.org/protocol/nick",
            "<nick xmlns='http://jabber.org/protocol/nick'>Fay</nick>",
            "Fay",
        ),
        (
            "urn:xmpp:vcard4",
            "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>F</text></fn></vcard>",
            "F",
        ),
    ):
        publish = (
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>"
            f"<item id='current'>{payload}</item></publish></pubsub>"
        )
        await face.ask("set", publish)
        items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
        answer = await looker.ask("get", items, "face@localhost")
        assert "".join(answer.xml.itertext()) == text
    assert await looker.refused("set", publish, "face@localhost") == ("forbidden", "")


@pytest.mark.parametrize("way", ["retract", "purge", "delete"])
async def test_an_avatar_that_is_taken_away_is_in_presence_no_more(
    server: RunningServer, accounts: None, way: str
) -> None:
    name = f"shy-{way}"
    server.add_user(name)
    client = await online(server.port, name)
    pubsub = "http://jabber.org/protocol/pubsub"
    owner = f"<pubsub xmlns='{pubsub}#owner'><{way} node='{METADATA}'/></pubsub>"
    item = f"<item id='{sha1(PNG)}'/>"
    retract = f"<pubsub xmlns='{pubsub}'><retract node='{METADATA}'>{item}</retract></pubsub>"
    payloads = (
        (DATA, f"<data xmlns='{DATA}'>{base64.b64encode(PNG).decode()}</data>"),
        (METADATA, f"<metadata xmlns='{METADATA}'><info id='{sha1(PNG)}' type='image/png'/></metadata>"),
    )
    for node, payload in payloads:
        publish = f"<publish node='{node}'><item id='{sha1(PNG)}'>{payload}</item></publish>"
        assert (await client.iq("set", f"<pubsub xmlns='{pubsub}'>{publish}</pubsub>")).get(
            "type"
        ) == "result"
    shown = await client.take(lambda e: e.find(f".//{UPDATE}photo") is not None)
    assert shown.findtext(f".//{UPDATE}photo") == sha1(PNG)
    answer = await client.iq("set", retract if way == "retract" else owner)
    assert answer.get("type") == "result"
    gone = await client.take(lambda e: e.find(f".//{UPDATE}photo") is not None)
    assert not gone.findtext(f".//{UPDATE}photo")
    card = await client.iq("get", "<vCard xmlns='vcard-temp'/>")
    assert card.get("type") == "result"
    assert card.find(f".//{V}PHOTO") is None
    client.abort()


async def test_an_avatar_without_content_is_none(server: RunningServer, accounts: None) -> None:
    server.add_user("empty")
    client = await online(server.port, "empty")
    pubsub = "http://jabber.org/protocol/pubsub"
    type = f"<field var='FORM_TYPE'><value>{pubsub}#node_config</value></field>"
    field = "<field var='pubsub#deliver_payloads'><value>0</value></field>"
    config = f"<configure><x xmlns='jabber:x:data' type='submit'>{type}{field}</x></configure>"
    for node in (METADATA, "urn:xmpp:vcard4", "urn:xmpp:bookmarks:1"):
        made = await client.iq("set", f"<pubsub xmlns='{pubsub}'><create node='{node}'/>{config}</pubsub>")
        assert made.get("type") == "result"
        publish = f"<publish node='{node}'><item id='a@b.example'/></publish>"
        done = await client.iq("set", f"<pubsub xmlns='{pubsub}'>{publish}</pubsub>")
        assert done.get("type") == "result", condition(done)
    for card in ("<vCard xmlns='vcard-temp'/>", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>"):
        assert (await client.iq("get", card)).get("type") == "result"
    client.abort()


@pytest.mark.parametrize("size", [48, 90, 180])
async def test_pictures_of_the_size_that_other_clients_send_are_taken(
    server: RunningServer, accounts: None, size: int
) -> None:
    """Also with the line breaks that some put into base64."""
    client, looker = await online(server.port, "plain"), await online(server.port, "looker")
    data = bytes(range(256)) * (4 * size)
    text = base64.encodebytes(data).decode()
    item = f"<item id='{sha1(data)}'><data xmlns='{DATA}'>{text}</data></item>"
    options = (
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'>"
        "<value>open</value></field></x></publish-options>"
    )
    publish = f"<publish node='{DATA}'>{item}</publish>{options}"
    answer = await client.iq("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>")
    assert answer.get("type") == "result", condition(answer)
    items = f"<items node='{DATA}'/>"
    answer = await looker.iq(
        "get", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>", "plain@localhost"
    )
    assert base64.b64decode(answer.findtext(f".//{{{DATA}}}data") or "") == data
    card = f"<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>{text}</BINVAL></PHOTO></vCard>"
    assert (await client.iq("set", card)).get("type") == "result"
    answer = await looker.iq("get", "<vCard xmlns='vcard-temp'/>", "plain@localhost")
    assert base64.b64decode(answer.findtext(f".//{V}BINVAL") or "") == data
    for one in (client, looker):
        one.abort()


async def test_the_address_of_a_picture_stays_in_the_card(server: RunningServer, accounts: None) -> None:
    client = await online(server.port, "plain")
    card = "<vCard xmlns='vcard-temp'><FN>Plain</FN><PHOTO><EXTVAL>https://example.org/me.png</EXTVAL></PHOTO></vCard>"
    for _ in range(2):
        assert (await client.iq("set", card)).get("type") == "result"
        found = await client.iq("get", "<vCard xmlns='vcard-temp'/>")
        assert found.findtext(f".//{V}EXTVAL") == "https://example.org/me.png"
        assert found.find(f".//{V}BINVAL") is None
        # a picture takes its place, and the other way round
        photo = base64.b64encode(PNG).decode()
        await client.result(
            "set", f"<vCard xmlns='vcard-temp'><PHOTO><BINVAL>{photo}</BINVAL></PHOTO></vCard>"
        )
        found = await client.iq("get", "<vCard xmlns='vcard-temp'/>")
        assert len(found.findall(f".//{V}PHOTO")) == 1
        assert found.find(f".//{V}EXTVAL") is None
    client.abort()
