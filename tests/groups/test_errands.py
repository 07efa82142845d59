"""Iqs between occupants: they find their recipient, and only its answer finds back (XEP-0045 §15.4)."""

from __future__ import annotations

from kith.core.actors.account import Session
from kith.features.vcard import VCard
from tests.groups.test_entering import trio
from tests.groups.there import GROUP, There, conditions, groups
from tests.parts import DOMAIN

VERSION = "<query xmlns='jabber:iq:version'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


async def ask(there: There, session: Session, nick: str, inner: str, type: str = "get") -> list[str]:
    """Asks an occupant; returns the conditions of errors."""
    return conditions(await there.says(session, f"<iq type='{type}' id='q' to='{GROUP}/{nick}'>{inner}</iq>"))


async def test_a_request_reaches_the_client_and_its_answer_the_asker(there: There) -> None:
    ada, ben, _ = await trio(there)
    assert await ask(there, ada, "ben", VERSION) == []
    (asked,) = there.heard(ben)
    assert asked.attrs["from"] == f"{GROUP}/ada"
    assert asked.attrs["to"] == f"ben@{DOMAIN}/phone"
    assert asked.id != "q"
    answer = "<query xmlns='jabber:iq:version'><name>X</name></query>"
    await there.says(ben, f"<iq type='result' id='{asked.id}' to='{GROUP}/ada'>{answer}</iq>")
    (got,) = there.heard(ada)
    assert (got.attrs["from"], got.id, got.type) == (f"{GROUP}/ben", "q", "result")
    assert b"<name>X</name>" in got.inner
    await there.says(ben, f"<iq type='result' id='{asked.id}' to='{GROUP}/ada'>{answer}</iq>")
    assert there.heard(ada) == []


async def test_nobody_else_can_answer(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await ask(there, ada, "ben", VERSION)
    (asked,) = there.heard(ben)
    await there.says(cyd, f"<iq type='result' id='{asked.id}' to='{GROUP}/ada'/>")
    assert there.heard(ada) == []


async def test_an_occupant_who_pings_itself_is_answered_by_the_room(there: There) -> None:
    ada, ben, _ = await trio(there)
    (pong,) = await there.says(ben, f"<iq type='get' id='p' to='{GROUP}/ben'>{PING}</iq>")
    assert (pong.type, pong.attrs["from"]) == ("result", f"{GROUP}/ben")
    dan = await there.person("dan/phone")
    assert await ask(there, dan, "dan", PING) == ["not-acceptable"]
    assert await ask(there, dan, "ben", PING) == ["not-acceptable"]
    assert await ask(there, ada, "nobody", PING) == ["item-not-found"]
    desk = await there.person("ben/desk")
    assert await ask(there, desk, "ben", PING) == ["not-acceptable"]


async def test_who_is_not_there_may_not_ask(there: There) -> None:
    await trio(there)
    dan = await there.person("dan/phone")
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    assert await ask(there, dan, "ben", info) == ["bad-request"]
    assert await ask(there, dan, "ben", VERSION) == ["not-acceptable"]


async def test_a_vcard_is_that_of_the_person(tmp_path: object) -> None:
    async with groups(tmp_path, VCard) as there:  # type: ignore[arg-type]
        ada, ben, cyd = await trio(there)
        card = "<vCard xmlns='vcard-temp'><FN>Ben</FN></vCard>"
        await there.says(ben, f"<iq type='set' id='s'>{card}</iq>")
        (got,) = await there.says(
            ada, f"<iq type='get' id='v' to='{GROUP}/ben'><vCard xmlns='vcard-temp'/></iq>"
        )
        assert (got.attrs["from"], got.id, got.type) == (f"{GROUP}/ben", "v", "result")
        assert b"<FN>Ben</FN>" in got.inner
        assert there.heard(ben) == []
        (none,) = await there.says(
            ada, f"<iq type='get' id='v' to='{GROUP}/cyd'><vCard xmlns='vcard-temp'/></iq>"
        )
        assert (none.attrs["from"], none.type) == (f"{GROUP}/cyd", "error")
        assert there.heard(cyd) == []


async def test_nobody_changes_the_roster_of_an_occupant(there: There) -> None:
    ada, ben, _ = await trio(there)
    push = "<query xmlns='jabber:iq:roster'><item jid='evil@example.org' subscription='both'/></query>"
    assert await ask(there, ada, "ben", push, "set") == ["service-unavailable"]
    assert there.heard(ben) == []


async def test_who_floods_somebody_with_requests_is_refused(there: There) -> None:
    ada, _, _ = await trio(there)
    found = [await ask(there, ada, "ben", VERSION) for _ in range(130)]
    assert ["policy-violation"] in found
