"""Private messages: who may send them, who gets them, and that both logs have them (XEP-0045 §7.5)."""

from __future__ import annotations

import pytest

from kith.core.actors.account import Session
from kith.features.carbons import Carbons
from kith.wire.stanza import Stanza
from tests.groups.test_entering import names, trio
from tests.groups.there import GROUP, ORIGIN, There, conditions, groups, texts
from tests.parts import DOMAIN


async def whisper(
    there: There, session: Session, nick: str, text: str, inner: str = "", type: str = "chat"
) -> list[Stanza]:
    xml = f"<message type='{type}' id='w' to='{GROUP}/{nick}'><body>{text}</body>{inner}</message>"
    return await there.says(session, xml)


async def test_one_occupant_gets_it_and_both_logs_have_it(there: There) -> None:
    ada, ben, cyd = await trio(there)
    assert await whisper(there, ada, "ben", "psst") == []
    (got,) = there.heard(ben)
    assert (got.attrs["from"], got.type, got.id) == (f"{GROUP}/ada", "chat", "w")
    assert b"<x xmlns='http://jabber.org/protocol/muc#user'/>" in got.inner
    assert f"by='ben@{DOMAIN}'".encode() in got.inner
    assert b"<occupant-id" in got.inner
    assert there.heard(cyd) == []
    assert await there.log("ada", shared=False) == ["psst"]
    assert await there.log("ben", shared=False) == ["psst"]
    assert await there.log(GROUP) == []


async def test_it_is_acknowledged_when_both_logs_have_it_and_a_retry_is_not_repeated(there: There) -> None:
    ada, ben, _ = await trio(there)
    origin = ORIGIN.format("5c1b9a1e-5a0c-4cf6-9d1c-0c55d8b2a7f1")
    for _ in range(2):
        await whisper(there, ada, "ben", "once", origin)
        assert ada.handled == ada.received
    assert texts(there.heard(ben)) == ["once"]
    assert await there.log("ben", shared=False) == ["once"]
    assert await there.log("ada", shared=False) == ["once"]


async def test_all_clients_of_the_occupant_get_it_once(there: There) -> None:
    ada, ben, _ = await trio(there)
    desk = await there.person("ben/desk")
    await there.enter(desk, "ben")
    await whisper(there, ada, "ben", "both")
    assert texts(there.heard(ben)) == texts(there.heard(desk)) == ["both"]


async def test_a_member_who_is_away_finds_it(there: There) -> None:
    ada, _, _ = await trio(there)
    dan = await there.person("dan/phone")
    await there.affiliate(ada, {"dan": "member"})
    there.node.sessions.end(dan)
    await there.room.settle()
    assert conditions(await whisper(there, ada, "dan", "for later")) == []
    assert await there.log("dan", shared=False) == ["for later"]
    again = await there.person("dan/again", presence=False)
    assert texts(await there.says(again, "<presence/>")) == ["for later"]


async def test_the_other_devices_of_the_sender_get_a_copy(tmp_path: object) -> None:
    async with groups(tmp_path, Carbons) as there:  # type: ignore[arg-type]
        ada, ben, _ = await trio(there)
        desk = await there.person("ada/desk")
        await there.says(desk, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        other = await there.person("ben/desk")
        await there.says(other, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        await whisper(there, ada, "ben", "copied")
        (copy,) = there.heard(desk)
        assert b"<sent xmlns='urn:xmpp:carbons:2'>" in copy.inner
        assert f"to='{GROUP}/ben'".encode() in copy.inner
        assert texts(there.heard(ben)) == ["copied"]
        assert there.heard(other) == []


@pytest.mark.parametrize(
    ("nick", "type", "condition"),
    [("nobody", "chat", "item-not-found"), ("cyd", "groupchat", "bad-request")],
)
async def test_what_can_not_be_delivered_is_refused(
    there: There, nick: str, type: str, condition: str
) -> None:
    ada, _, _ = await trio(there)
    assert conditions(await whisper(there, ada, nick, "hi", type=type)) == [condition]


async def test_who_is_not_in_the_group_writes_to_nobody_there(there: There) -> None:
    await trio(there)
    dan = await there.person("dan/phone")
    assert conditions(await whisper(there, dan, "ben", "hi")) == ["not-acceptable"]


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("anyone", ""),
        ("participants", "ben"),
        ("moderators", "ben cyd"),
        ("none", "ada ben cyd"),
    ],
)
async def test_the_group_says_who_may_send_them(there: There, allowed: str, refused: str) -> None:
    ada, ben, cyd = await trio(there, moderatedroom="1", allowpm=allowed)
    role = "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='cyd' role='participant'/></query>"
    await there.says(ada, f"<iq type='set' id='r' to='{GROUP}'>{role}</iq>")
    for name, session in (("ada", ada), ("ben", ben), ("cyd", cyd)):
        expected = ["forbidden"] if name in refused else []
        assert conditions(await whisper(there, session, "ada", "hi")) == expected, name


async def test_an_error_about_one_goes_back_to_its_sender_and_removes_nobody(there: There) -> None:
    ada, ben, cyd = await trio(there)
    error = "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    await there.says(ben, f"<message type='error' id='w' to='{GROUP}/ada'>{error}</message>")
    (back,) = there.heard(ada)
    assert (back.attrs["from"], back.type, conditions([back])) == (
        f"{GROUP}/ben",
        "error",
        ["not-acceptable"],
    )
    gone = error.replace("not-acceptable", "recipient-unavailable")
    await there.says(ben, f"<message type='error' id='w' to='{GROUP}'>{gone}</message>")
    assert names(there.heard(cyd)) == ["-ben"]


async def test_typing_in_private_is_passed_on_and_not_kept(there: There) -> None:
    ada, ben, _ = await trio(there)
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    await there.says(ada, f"<message type='chat' to='{GROUP}/ben'>{state}</message>")
    (got,) = there.heard(ben)
    assert b"<composing" in got.inner
    assert b"stanza-id" not in got.inner


async def test_who_floods_somebody_is_refused(there: There) -> None:
    ada, _, _ = await trio(there)
    found = [conditions(await whisper(there, ada, "ben", str(number))) for number in range(70)]
    assert ["policy-violation"] in found
