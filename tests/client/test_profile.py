"""Name, about and avatar: through the standard nodes, so that other clients see them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from kith.client import Profile
from tests.client.conftest import People
from tests.features.slix import befriend, connected
from tests.raw import online

PNG = b"\x89PNG\r\n\x1a\n and so on" * 50


async def test_a_profile_is_seen_by_a_peer(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"))
    await ada.set_profile(Profile("Ada Lovelace", "Counting <everything> & more", PNG))
    await ben.send(ada.jid, "hello", encrypted=False)
    await ada.accept(ben.jid)
    shown = Profile("Ada Lovelace", "Counting <everything> & more", PNG)
    assert await ada.profile() == shown
    assert (await ben.profile(ada.jid)).avatar in (b"", PNG)
    await ada.set_profile(Profile("Ada"))
    assert await ada.profile() == Profile("Ada")
    assert await ben.profile("nobody@localhost") == Profile()
    with pytest.raises(ValueError, match="PNG"):
        await ada.set_profile(Profile("Ada", avatar=b"GIF89a"))
    with pytest.raises(ValueError, match="KiB"):
        await ada.set_profile(Profile("Ada", avatar=PNG * 1000))


async def test_a_foreign_client_is_told_of_name_and_avatar(people: People) -> None:
    jid, friend = people.account("ada"), people.account("ben")
    nodes = ("http://jabber.org/protocol/nick", "urn:xmpp:avatar:metadata", "urn:xmpp:vcard4")
    async with connected(people.server.port, friend, nodes) as ben:
        async with connected(people.server.port, jid) as older:
            await befriend(older, ben)
        ada = await people.open(jid)
        await ada.set_profile(Profile("Ada Lovelace", "Counting", PNG))
        told = {}
        while len(told) < 3:
            event = await ben.next_event()
            told[event.get("node")] = event
        assert "Ada Lovelace" in "".join(told[nodes[0]].itertext())
        info = told[nodes[1]].find(".//{urn:xmpp:avatar:metadata}info")
        assert info is not None
        assert info.get("id") == hashlib.sha1(PNG).hexdigest()
        assert "Counting" in "".join(told[nodes[2]].itertext())
    watching = await online(people.server.port, friend.partition("@")[0])
    card = await watching.iq("get", "<vCard xmlns='vcard-temp'/>", jid)
    photo = card.findtext(".//{vcard-temp}BINVAL")
    assert base64.b64decode(photo or "") == PNG
    watching.abort()
