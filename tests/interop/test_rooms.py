"""slixmpp in rooms: what people do there, with the plugins that clients in Python use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError, PresenceError

from tests.conftest import RunningServer
from tests.interop.slix import Slix, online

_MORE = ("xep_0004", "xep_0045", "xep_0249", "xep_0410", "xep_0421", "xep_0424", "xep_0425", "xep_0402")


class Guest:
    """Somebody with a client that knows rooms."""

    def __init__(self, client: Slix) -> None:
        self.client = client
        self.muc: Any = client["xep_0045"]
        self.jid = JID(client.boundjid.bare)

    async def join(self, room: JID, nick: str, **more: Any) -> Any:
        """Enters; returns the own presence, the subject, the occupants and the history."""
        return await self.muc.join_muc_wait(room, nick, timeout=20, **more)

    async def hears(self, text: str) -> Any:
        while (message := await self.client.message(20))["body"] != text:
            pass
        return message

    async def configure(self, room: JID, **fields: str) -> None:
        form = await self.muc.get_room_config(room)
        form["type"] = "submit"
        for name, value in fields.items():
            form.get_fields()[f"muc#roomconfig_{name}"]["value"] = value
        await self.muc.set_room_config(room, form)


@pytest.fixture
async def trio(server: RunningServer, person: Any) -> AsyncIterator[tuple[Guest, Guest, Guest]]:
    async with (
        online(person("ada"), server.port, plugins=_MORE) as ada,
        online(person("ben"), server.port, plugins=_MORE) as ben,
        online(person("cyd"), server.port, plugins=_MORE) as cyd,
    ):
        yield Guest(ada), Guest(ben), Guest(cyd)


async def test_a_room_from_its_creation_to_its_end(trio: tuple[Guest, Guest, Guest]) -> None:
    ada, ben, cyd = trio
    room = JID(f"slix@groups.{ada.jid.domain}")
    presence, *_ = await ada.join(room, "ada")
    assert {"110", "201"} <= {str(code) for code in presence["muc"]["status_codes"]}
    with pytest.raises(PresenceError) as locked:
        await ben.join(room, "ben")
    assert locked.value.presence["error"]["condition"] == "item-not-found"
    await ada.configure(room, roomname="Slix", membersonly="0", moderatedroom="1")
    info = await ben.client["xep_0030"].get_info(jid=room)
    assert {"muc_open", "muc_moderated"} <= set(info["disco_info"]["features"])
    await ben.join(room, "ben")
    assert sorted(ben.muc.get_roster(room)) == ["ada", "ben"]
    # voice, subject, messages
    await ada.muc.set_role(room, "ben", "participant")
    ada.muc.set_subject(room, "tea")
    await asyncio.sleep(0)
    ben.client.send_message(mto=room, mbody="hello", mtype="groupchat")
    heard = await ada.hears("hello")
    assert heard["from"] == f"{room}/ben"
    assert heard["occupant-id"]["id"]
    _, subject, occupants, history = await cyd.join(room, "cyd")
    assert subject["subject"] == "tea"
    assert sorted(presence["from"].resource for presence in occupants) == ["ada", "ben", "cyd"]
    assert [message["body"] for message in history] == ["hello"]
    # in private, and as a request
    ben.client.send_message(mto=f"{room}/cyd", mbody="psst", mtype="chat")
    assert (await cyd.hears("psst"))["from"] == f"{room}/ben"
    version = await ben.client["xep_0030"].get_info(jid=f"{room}/cyd", timeout=20)
    assert version["from"] == f"{room}/cyd"
    await ben.client["xep_0199"].send_ping(f"{room}/ben", timeout=20)
    # affiliations and roles
    await ada.muc.set_affiliation(room, "member", jid=ben.jid)
    assert await ada.muc.get_affiliation_list(room, "member") == [ben.jid]
    assert await ada.muc.get_roles_list(room, "visitor") == ["cyd"]
    with pytest.raises(IqError) as refused:
        await ben.muc.set_affiliation(room, "outcast", jid=cyd.jid)
    assert refused.value.condition == "forbidden"
    assert await ben.muc.set_self_nick(room, "benny", timeout=20) == "benny"
    await ada.muc.set_role(room, "cyd", "none", reason="enough")
    while (await cyd.client.presence("unavailable", room.bare))["from"].resource != "cyd":
        pass
    # moderation
    id = heard["stanza_id"]["id"]
    request = ada.client.make_iq_set(ito=room)
    request.append(_moderate(id))
    await request.send(timeout=20)
    results = await ben.client["xep_0313"].retrieve(jid=room, timeout=20)
    assert all(r["mam_result"]["forwarded"]["message"]["body"] != "hello" for r in results["mam"]["results"])
    # the end
    await ada.muc.destroy(room, reason="over")
    while (await ben.client.presence("unavailable", room.bare))["from"].resource != "benny":
        pass
    with pytest.raises(IqError) as gone:
        await ben.client["xep_0030"].get_info(jid=room, timeout=20)
    assert gone.value.condition == "item-not-found"


def _moderate(id: str) -> Any:
    moderate = Element("{urn:xmpp:message-moderate:1}moderate", {"id": id})
    SubElement(moderate, "{urn:xmpp:message-retract:1}retract")
    return moderate


async def test_invitations_passwords_and_bookmarks(
    trio: tuple[Guest, Guest, Guest], server: RunningServer
) -> None:
    ada, ben, cyd = trio
    room = JID(f"club@groups.{ada.jid.domain}")
    await ada.join(room, "ada")
    await ada.configure(room, roomname="Club", passwordprotectedroom="1", roomsecret="secret")
    invitation = await ben.client.event_of(
        "groupchat_invite", lambda: ada.muc.invite(room, str(ben.jid), "come")
    )
    assert invitation["from"] == room
    assert invitation["muc"]["invite"]["from"] == ada.jid
    with pytest.raises(PresenceError) as closed:
        await ben.join(room, "ben")
    assert closed.value.presence["error"]["condition"] == "not-authorized"
    await ben.join(room, "ben", password="secret")
    await cyd.client.event_of("groupchat_invite", lambda: ada.muc.invite(room, str(cyd.jid)))
    cyd.muc.decline(room, str(ada.jid), "busy")
    while True:
        declined = await asyncio.wait_for(ada.client.inbox.get(), 20)
        if declined["muc"]["decline"]["from"] == cyd.jid:
            break
    assert declined["muc"]["decline"]["reason"] == "busy"
    async with online(str(ben.jid), server.port) as again:
        items = await again["xep_0060"].get_items(str(ben.jid), "urn:xmpp:bookmarks:1", timeout=20)
        (item,) = items["pubsub"]["items"]
        assert item["id"] == str(room)
        assert item["payload"].get("autojoin") == "true"
        assert item["payload"].get("name") == "Club"


async def test_what_was_said_while_a_client_was_away_is_in_the_archive(
    trio: tuple[Guest, Guest, Guest], server: RunningServer
) -> None:
    ada, ben, _ = trio
    room = JID(f"away@groups.{ada.jid.domain}")
    await ada.join(room, "ada")
    await ada.configure(room)
    await ada.muc.set_affiliation(room, "member", jid=ben.jid)
    await ben.join(room, "ben")
    ben.muc.leave_muc(room, "ben")
    await ben.client.presence("unavailable", room.bare)
    for text in ("one", "two"):
        ada.client.send_message(mto=room, mbody=text, mtype="groupchat")
        await ada.hears(text)
    await ben.join(room, "ben", maxstanzas=0)
    results = await ben.client["xep_0313"].retrieve(jid=room, timeout=20)
    bodies = [result["mam_result"]["forwarded"]["message"]["body"] for result in results["mam"]["results"]]
    assert [text for text in bodies if text] == ["one", "two"]
