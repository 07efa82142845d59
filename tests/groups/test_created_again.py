"""A group at the address of one that was destroyed has nothing of it."""

from __future__ import annotations

import asyncio
import re

from kith.core.actors.account import Session
from tests.groups.test_moderation import archive, id_of, moderate
from tests.groups.there import GROUP, GROUPS, OWNER, There, conditions, texts
from tests.parts import DOMAIN

DESTROY = f"<iq type='set' id='d' to='{GROUP}'><query xmlns='{OWNER}'><destroy/></query></iq>"
PICTURE = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGk=</BINVAL></PHOTO></vCard>"


async def taken_over(there: There) -> tuple[Session, str]:
    """Ada's group is destroyed, and Eve makes an open one there. Returns Eve, and the id of a message."""
    ada = await there.person("ada/phone")
    await there.make(ada)
    await there.says(ada, f"<iq type='set' id='v' to='{GROUP}'>{PICTURE}</iq>")
    link = await there.says(ada, f"<iq type='set' id='l' to='{GROUP}'><link xmlns='{GROUPS}'/></iq>")
    token = re.findall(rb"token='([^']*)'", link[0].inner)[0].decode()
    change = f"<group xmlns='{GROUPS}'><settings approve='true'/></group>"
    await there.says(ada, f"<iq type='set' id='s' to='{GROUP}'>{change}</iq>")
    ben = await there.person("ben/phone")
    await there.says(ben, f"<iq type='set' id='j' to='{GROUP}'><join xmlns='{GROUPS}' token='{token}'/></iq>")
    there.heard(ada)
    id = id_of(await there.write(ada, "secret"))
    assert conditions(await there.says(ada, DESTROY)) == []
    await asyncio.sleep(0.005)
    eve = await there.person("eve/phone")
    await there.make(eve, "eve", membersonly="0")
    return eve, id


async def test_nobody_reads_or_removes_what_was_said_before(there: There) -> None:
    eve, id = await taken_over(there)
    await there.write(eve, "mine")
    found = b"".join(await archive(there, eve, GROUP))
    assert b">mine<" in found
    assert b">secret<" not in found
    heard = await there.says(
        eve, f"<iq type='get' id='m' to='{GROUP}'><metadata xmlns='urn:xmpp:mam:2'/></iq>"
    )
    assert id.encode() < re.findall(rb"<start id='([^']*)'", heard[0].inner)[0]
    dan = await there.person("dan/phone")
    entered = await there.enter(dan, "dan", inner="<x xmlns='http://jabber.org/protocol/muc'/>")
    assert texts(entered) == ["mine"]
    assert await moderate(there, eve, id) == ["item-not-found"]
    assert await there.log("ada") == ["secret"]


async def test_nobody_sees_its_picture_or_who_asked_to_come_in(there: There) -> None:
    eve, _ = await taken_over(there)
    (card,) = await there.says(eve, f"<iq type='get' id='v' to='{GROUP}'><vCard xmlns='vcard-temp'/></iq>")
    assert b"PHOTO" not in card.inner
    (asking,) = await there.says(eve, f"<iq type='get' id='a' to='{GROUP}'><asking xmlns='{GROUPS}'/></iq>")
    assert asking.type == "result"
    assert b"ben@" not in asking.inner


async def test_who_was_interrupted_in_creating_it_does_not_own_that_of_another(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    await there.says(ada, DESTROY)
    eve = await there.person("eve/phone")
    store, put = there.node.store, there.node.store.put

    async def killed(account: int, space: str, key: str, value: bytes) -> int:
        if space == "group" and key == "state":
            raise OSError("killed")
        return await put(account, space, key, value)

    store.put = killed  # type: ignore[method-assign]
    await there.enter(eve, "eve")
    store.put = put  # type: ignore[method-assign]
    ben = await there.person("ben/phone")
    await there.make(ben, "ben")
    group = there.service.groups.get(GROUP)
    assert group is not None
    there.service.groups.drop(group)
    there.heard(eve)
    assert conditions(await there.enter(eve, "eve")) == ["registration-required"]
    reloaded = await there.service.groups.load(GROUP)
    assert reloaded is not None
    assert [member.jid for member in reloaded.members] == [f"ben@{DOMAIN}"]
