"""Messages that are taken back by their authors or by moderators (XEP-0424, XEP-0425)."""

from __future__ import annotations

import re
import sqlite3

import pytest

from kith.core.actors.account import Session
from kith.groups.group import Group
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.groups.test_entering import trio
from tests.groups.there import GROUP, GROUPS, ORIGIN, There, conditions, texts

RETRACT = "urn:xmpp:message-retract:1"


def id_of(stanzas: list[Stanza]) -> str:
    """The id that the group has given to the last message."""
    found = re.findall(rf"<stanza-id [^>]*id='([^']*)' by='{GROUP}'", stanzas[-1].inner.decode())
    return str(found[-1])


async def moderate(there: There, session: Session, id: str, inner: str = "") -> list[str]:
    xml = (
        f"<iq type='set' id='m' to='{GROUP}'><moderate id='{id}' xmlns='urn:xmpp:message-moderate:1'>"
        f"<retract xmlns='{RETRACT}'/>{inner}</moderate></iq>"
    )
    return conditions(await there.says(session, xml))


async def archive(there: There, session: Session, to: str = "") -> list[bytes]:
    """The messages in the archive of a group, or in one's own."""
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        "<field var='include-groupchat'><value>true</value></field></x>"
    )
    at = f" to='{to}'" if to else ""
    query = f"<query xmlns='urn:xmpp:mam:2'>{'' if to else form}</query>"
    heard = await there.says(session, f"<iq type='set' id='q'{at}>{query}</iq>")
    return [stanza.inner for stanza in heard if stanza.kind == "message" and b"<result" in stanza.inner]


async def test_a_moderator_takes_back_a_message_in_all_logs(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "member"})
    id = id_of(await there.write(ben, "rude"))
    assert await moderate(there, cyd, id) == ["forbidden"]
    for session in (ada, ben, cyd):
        there.heard(session)
    assert await moderate(there, ada, id, "<reason>be kind</reason>") == []
    (told,) = there.heard(cyd)
    assert (told.attrs["from"], told.type) == (GROUP, "groupchat")
    assert f"<retract xmlns='{RETRACT}' id='{id}'>".encode() in told.inner
    assert f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{GROUP}/ada'>".encode() in told.inner
    assert b"<reason>be kind</reason>" in told.inner
    assert b"<occupant-id" in told.inner
    for name in ("ada", "ben", GROUP):
        assert await there.log(name) == [], name
    found = await archive(there, cyd, GROUP)
    (tombstone,) = [result for result in found if b"<retracted " in result]
    assert f"from='{GROUP}/ben'".encode() in tombstone
    assert b"<moderated " in tombstone
    assert b">rude<" not in b"".join(found)
    own = b"".join(await archive(there, ben))
    assert b"<retracted " in own
    assert b">rude<" not in own
    assert await moderate(there, ada, id) == []


async def test_a_message_is_replaced_if_and_only_if_all_learn_of_it(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, _ = await trio(there)
    id = id_of(await there.write(ben, "rude"))

    def broken(*given: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("kith.store.appends.rewrite", broken)
        retract = f"<retract xmlns='{RETRACT}' id='{id}'/>"
        assert conditions(await there.write(ben, "", retract)) == ["internal-server-error"]
        assert await moderate(there, ada, id) != []
    assert await there.log(GROUP) == ["rude"]
    assert not any(b"<retract" in result for result in await archive(there, ben, GROUP))
    assert await moderate(there, ada, id) == []
    assert await there.log(GROUP) == []


async def test_an_author_takes_back_only_their_own(there: There) -> None:
    ada, ben, cyd = await trio(there)
    id = id_of(await there.write(ben, "oops"))
    retract = f"<retract xmlns='{RETRACT}' id='{id}'/>"
    await there.write(cyd, "", retract)
    assert await there.log(GROUP) == ["oops"]
    there.heard(ada)
    await there.write(ben, "", retract)
    assert await there.log(GROUP) == []
    assert any(b"<retract " in stanza.inner for stanza in there.heard(ada))
    found = await archive(there, cyd, GROUP)
    assert sum(b"<retracted " in result for result in found) == 1
    dan = await there.person("dan/phone")
    plain = "<x xmlns='http://jabber.org/protocol/muc'/>"
    assert texts(await there.enter(dan, "dan", inner=plain)) == []


async def test_who_may_not_write_any_more_takes_nothing_back(there: There) -> None:
    ada, ben, _ = await trio(there)
    origin = ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1")
    other = ORIGIN.format("9b2f6f52-4b0e-43a8-8a52-0a4f1b6f4f11")
    id = id_of(await there.write(ben, "said", origin))
    retract = f"<retract xmlns='{RETRACT}' id='{id}'/>"
    assert await there.affiliate(ada, {"ben": "outcast"})
    there.heard(ada)
    for inner in (retract, retract + other, retract + origin):
        await there.write(ben, "", inner)
    await there.service.in_turn(parse_jid(GROUP), _nothing)  # after what was asked for before
    assert await there.log(GROUP) == ["said"]
    assert there.heard(ada) == []


async def test_a_retraction_that_is_refused_changes_nothing(there: There) -> None:
    ada, ben, _ = await trio(there)
    id = id_of(await there.write(ben, "said"))
    stale = f"<for xmlns='{GROUPS}' number='1'/>" + ORIGIN.format("9b2f6f52-4b0e-43a8-8a52-0a4f1b6f4f11")
    await there.affiliate(ada, {"cyd": "member"})
    refused = await there.write(ben, "", f"<retract xmlns='{RETRACT}' id='{id}'/>{stale}")
    assert conditions(refused) == ["conflict"]
    await there.service.in_turn(parse_jid(GROUP), _nothing)
    assert await there.log(GROUP) == ["said"]


async def _nothing(group: Group) -> None:
    pass


async def test_a_client_of_before_moderates_and_learns_of_it(there: There) -> None:
    ada, ben, cyd = await trio(there)
    id = id_of(await there.write(ben, "rude"))
    there.heard(cyd)
    old = (
        f"<iq type='set' id='m' to='{GROUP}'><apply-to xmlns='urn:xmpp:fasten:0' id='{id}'>"
        "<moderate xmlns='urn:xmpp:message-moderate:0'><retract xmlns='urn:xmpp:message-retract:0'/>"
        "<reason>be kind</reason></moderate></apply-to></iq>"
    )
    assert conditions(await there.says(ben, old)) == ["forbidden"]
    assert conditions(await there.says(ada, old)) == []
    (told,) = there.heard(cyd)
    assert f"<apply-to xmlns='urn:xmpp:fasten:0' id='{id}'><moderated ".encode() in told.inner
    assert f"<retract xmlns='{RETRACT}' id='{id}'>".encode() in told.inner
    assert await there.log(GROUP) == []
    moderated = f"<moderated xmlns='urn:xmpp:message-moderate:0' by='{GROUP}/ada'/>"
    forged = f"<apply-to xmlns='urn:xmpp:fasten:0' id='{id}'>{moderated}</apply-to>"
    await there.write(ben, "hello", forged)
    (heard,) = there.heard(cyd)
    assert b"apply-to" not in heard.inner


async def test_nobody_pretends_to_moderate(there: There) -> None:
    ada, ben, cyd = await trio(there)
    id = id_of(await there.write(ada, "stays"))
    there.heard(cyd)
    moderated = f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{GROUP}/ada'/>"
    await there.write(ben, "", f"<retract xmlns='{RETRACT}' id='{id}'>{moderated}</retract>")
    (heard,) = there.heard(cyd)
    assert b"moderated" not in heard.inner
    assert await there.log(GROUP) == ["stays"]


async def test_what_can_not_be_moderated_is_refused(there: There) -> None:
    ada, _, _ = await trio(there)
    for id in ("", "nonsense", "0000000000000001"):
        assert await moderate(there, ada, id) == ["item-not-found"]
    notice = id_of([s for s in await there.configure(ada, roomname="Tea") if b"<change" in s.inner])
    assert await moderate(there, ada, notice) == ["item-not-found"]
    empty = f"<iq type='set' id='m' to='{GROUP}'><moderate id='x' xmlns='urn:xmpp:message-moderate:1'/></iq>"
    assert conditions(await there.says(ada, empty)) == ["bad-request"]
