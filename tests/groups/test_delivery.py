"""Who gets the messages of a group: members in their logs, once and in order, occupants as they are there."""

from __future__ import annotations

import pytest

from tests.groups.there import GROUP, GROUPS, ORIGIN, USER, There, conditions, texts
from tests.parts import DOMAIN


async def test_members_get_everything_away_or_not(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    await there.person("cyd/phone")
    await there.make(ada)
    assert conditions(await there.affiliate(ada, {"ben": "member", "cyd": "member"})) == []
    there.heard(ben)
    assert texts(await there.write(ada, "hello")) == ["hello"]
    assert texts(there.heard(ben)) == ["hello"]
    for name in ("ada", "ben", "cyd"):
        assert await there.log(name) == ["hello"]
        assert await there.log(name, shared=False) == []
    assert await there.log(GROUP) == ["hello"]


async def test_a_member_writes_without_entering(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    there.heard(ben)
    (mine,) = [s for s in await there.write(ben, "hi") if s.kind == "message"]
    (theirs,) = [s for s in there.heard(ada) if s.kind == "message"]
    assert mine.attrs["from"] == theirs.attrs["from"] == f"{GROUP}/ben"
    assert mine.attrs["to"] == f"ben@{DOMAIN}"
    assert theirs.attrs["to"] == f"ada@{DOMAIN}/phone"
    assert f"by='ben@{DOMAIN}'".encode() in mine.inner
    assert f"by='{GROUP}'".encode() in mine.inner
    assert f"jid='ben@{DOMAIN}'".encode() in theirs.inner


async def test_who_is_out_gets_nothing_and_keeps_what_was_before(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await there.write(ada, "one")
    await there.affiliate(ada, {"ben": "none"})
    there.heard(ben)
    await there.write(ada, "two")
    assert there.heard(ben) == []
    assert await there.log("ben") == ["one"]
    assert conditions(await there.write(ben, "three")) == ["not-acceptable"]
    await there.affiliate(ada, {"ben": "member"})
    await there.write(ada, "four")
    assert await there.log("ben") == ["one", "four"]


async def test_a_retry_is_acknowledged_and_not_repeated(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    origin = ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1")
    number = "<for xmlns='urn:kith:groups:0' number='{}'/>"
    await there.write(ben, "once", origin + number.format(2))
    await there.write(ben, "once", origin + number.format(2))
    assert texts(there.heard(ada)) == ["once"]
    await there.affiliate(ada, {"ben": "none"})
    there.heard(ben)
    assert conditions(await there.write(ben, "once", origin + number.format(1))) == []
    assert ben.handled == ben.received
    assert await there.log("ada") == ["once"]


async def test_a_message_for_other_members_is_refused_with_the_number(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    await there.person("ben/phone")
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    (refusal,) = await there.write(ada, "old", "<for xmlns='urn:kith:groups:0' number='1'/>")
    assert conditions([refusal]) == ["conflict"]
    assert b"<stale xmlns='urn:kith:groups:0' number='2'/>" in refusal.inner
    assert texts(await there.write(ada, "new", "<for xmlns='urn:kith:groups:0' number='2'/>")) == ["new"]


async def test_both_entered_and_receiving_gets_each_message_once(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    await there.make(ada)
    assert texts(await there.write(ada, "hello")) == ["hello"]


async def test_each_account_gets_its_own_keys_only(there: There) -> None:
    ada = await there.person("ada/phone", receives=True)
    ben = await there.person("ben/phone", receives=True)
    for session, devices in ((ada, (1, 2)), (ben, (3,))):
        listed = "".join(f"<device id='{id}'/>" for id in devices)
        await there.says(
            session,
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            "<publish node='eu.siacs.conversations.axolotl.devicelist'><item id='current'>"
            f"<list xmlns='eu.siacs.conversations.axolotl'>{listed}</list></item></publish></pubsub></iq>",
        )
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ben)
    keys = "".join(f"<key rid='{id}' prekey='true'>k{id}</key>" for id in (1, 2, 3, 9))
    omemo = (
        "<encrypted xmlns='eu.siacs.conversations.axolotl'>"
        f"<header sid='1'>{keys}<iv>aXY=</iv></header><payload>cGF5</payload></encrypted>"
    )
    await there.says(ada, f"<message type='groupchat' to='{GROUP}' id='m'>{omemo}</message>")

    def rids(data: bytes) -> list[str]:
        return [str(id) for id in range(10) if f"rid='{id}'".encode() in data]

    (got,) = there.heard(ben)
    assert rids(got.inner) == ["3", "9"]
    assert b"<payload>cGF5</payload>" in got.inner
    result = await there.says(
        ada,
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        "<field var='include-groupchat'><value>true</value></field></x></query></iq>",
    )
    found = [stanza for stanza in result if b"<payload>" in stanza.inner]
    assert [rids(stanza.inner) for stanza in found] == [["1", "2", "9"]]
    for history in ("0", "1"):  # the archive of the room has the same
        await there.configure(ada, **{f"{{{GROUPS}}}history": history})
        query = f"<iq type='set' id='q' to='{GROUP}'><query xmlns='urn:xmpp:mam:2'/></iq>"
        found = [stanza for stanza in await there.says(ben, query) if b"<payload>" in stanza.inner]
        assert [rids(stanza.inner) for stanza in found] == [["3", "9"]]
        # and so has what a client gets on entering it
        entered = await there.enter(ben, "ben", inner="<x xmlns='http://jabber.org/protocol/muc'/>")
        found = [stanza for stanza in entered if b"<payload>" in stanza.inner]
        assert [rids(stanza.inner) for stanza in found] == [["3", "9"]]
        await there.says(ben, f"<presence type='unavailable' to='{GROUP}/ben'/>")


@pytest.mark.parametrize(
    "forged",
    [
        f"<change xmlns='{GROUPS}' by='ada@x' number='9'><member jid='eve@x' affiliation='owner'/></change>",
        f"<receipts xmlns='{GROUPS}'/>",
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>",
        f"<x xmlns='{USER}'><item affiliation='owner' jid='ada@{DOMAIN}'/></x>",
        f"<stanza-id xmlns='urn:xmpp:sid:0' id='00000000000000ff' by='{GROUP}'/>",
        f"<stanza-id xmlns='urn:xmpp:sid:0' id='00000000000000ff' by='TEA@groups.{DOMAIN}'/>",
        f"<stanza-id xmlns='urn:xmpp:sid:0' id='00000000000000ff' by='ben@{DOMAIN}'/>",
        "<moderated xmlns='urn:xmpp:message-moderate:1' by='x'/>",
        "<retracted xmlns='urn:xmpp:message-retract:1' id='x'/>",
    ],
)
async def test_no_member_speaks_for_the_group(there: There, forged: str) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ben)
    await there.write(ada, "hello", forged)
    (got,) = there.heard(ben)
    assert texts([got]) == ["hello"]
    for word in (b"forged", b"number='9'", b"eve@", b"00ff'", b"<receipts", b"<moderated", b"<retracted"):
        assert word not in got.inner
    assert got.inner.count(b"<item ") == got.inner.count(b"<occupant-id ") == 1


async def test_a_client_that_counts_from_1_loses_and_repeats_nothing(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    other = ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1")
    quoted = f"<forwarded xmlns='urn:xmpp:forward:0'>{other}</forwarded>"
    for inner in ("", quoted):
        for text in ("one", "two", "one", "two"):
            await there.write(ada, f"{text} {len(inner)}", inner + ORIGIN.format("1"))
    assert await there.log("ada") == [
        f"{text} {len(inner)}" for inner in ("", quoted) for text in ("one", "two")
    ]


async def test_who_writes_without_entering_is_shown_to_occupants_once(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone", receives=True)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    there.heard(ada)
    for text in ("one", "two"):
        await there.write(ben, text)
    first, *rest = there.heard(ada)
    assert (first.kind, first.attrs["from"]) == ("presence", f"{GROUP}/ben")
    assert f"jid='ben@{DOMAIN}'".encode() in first.inner
    assert texts(rest) == ["one", "two"]
    assert len(rest) == 2
    # another client, which gets what was said before, learns who has said it
    other = await there.person("ada/other")
    heard = await there.enter(other, "ada", inner="<x xmlns='http://jabber.org/protocol/muc'/>")
    order = [stanza.attrs["from"] for stanza in heard if stanza.attrs["from"] == f"{GROUP}/ben"]
    assert len(order) == 3
    assert next(stanza.kind for stanza in heard if stanza.attrs["from"] == f"{GROUP}/ben") == "presence"
    # and who leaves is not shown any more
    await there.affiliate(ada, {"ben": "none"})
    gone = [stanza for stanza in there.heard(other) if stanza.type == "unavailable"]
    assert [stanza.attrs["from"] for stanza in gone] == [f"{GROUP}/ben"]


async def test_an_author_without_other_devices_gets_a_message_with_a_key(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    await there.says(
        ben,
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<publish node='eu.siacs.conversations.axolotl.devicelist'><item id='current'>"
        "<list xmlns='eu.siacs.conversations.axolotl'><device id='3'/></list></item></publish></pubsub></iq>",
    )
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    omemo = (
        "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><key rid='3'>k</key>"
        "<iv>aXY=</iv></header><payload>cGF5</payload></encrypted>"
    )
    heard = await there.says(ada, f"<message type='groupchat' to='{GROUP}' id='m'>{omemo}</message>")
    assert b"<key rid='3'>k</key></header>" in heard[-1].inner
