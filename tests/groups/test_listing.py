"""Which rooms and facts about rooms are found by whom (XEP-0045 §6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.groups.listing import RoomList
from tests.groups.test_entering import trio
from tests.groups.there import GROUP, There, conditions, groups
from tests.parts import DOMAIN

SERVICE = f"groups.{DOMAIN}"
DISCO = "http://jabber.org/protocol/disco"


async def items(there: There, session: Session, to: str = SERVICE, inner: str = "") -> list[str]:
    xml = f"<iq type='get' id='i' to='{to}'><query xmlns='{DISCO}#items'>{inner}</query></iq>"
    (answer,) = await there.says(session, xml)
    return re.findall(r"<item jid='([^']*)'", answer.inner.decode()) or conditions([answer])


async def info(there: There, session: Session, to: str = GROUP, node: str = "") -> str:
    at = f" node='{node}'" if node else ""
    xml = f"<iq type='get' id='i' to='{to}'><query xmlns='{DISCO}#info'{at}/></iq>"
    (answer,) = await there.says(session, xml)
    return answer.inner.decode()


async def test_public_rooms_are_listed_by_name_and_hidden_ones_are_not(there: There) -> None:
    ada = await there.person("ada/phone")
    for name, public in (("b", "1"), ("a", "1"), ("hidden", "0")):
        room = f"{name}@{SERVICE}"
        await there.make(ada, group=room, publicroom=public, roomname=name.upper())
    locked = f"locked@{SERVICE}"
    await there.enter(ada, "ada", locked)
    ben = await there.person("ben/phone")
    assert await items(there, ben) == [f"a@{SERVICE}", f"b@{SERVICE}"]
    page = "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max>{}</set>"
    assert await items(there, ben, inner=page.format("")) == [f"a@{SERVICE}"]
    assert await items(there, ben, inner=page.format("<after>0</after>")) == [f"b@{SERVICE}"]
    await there.configure(ada, f"a@{SERVICE}", publicroom="0")
    assert await items(there, ben) == [f"b@{SERVICE}"]


async def test_the_list_and_the_end_of_temporary_rooms_survive_a_crash(tmp_path: Path) -> None:
    async with groups(tmp_path) as there:
        ada = await there.person("ada/phone")
        await there.make(ada, group=f"kept@{SERVICE}", publicroom="1")
        await there.make(ada, group=f"short@{SERVICE}", persistentroom="0", publicroom="1")
        await there.enter(ada, "ada", f"locked@{SERVICE}")
        await there.node.store.flush()
        there.node.get(RoomList).clean = _nothing  # type: ignore[method-assign]
        there.node.sessions.close = lambda session: None  # type: ignore[method-assign]
    async with groups(tmp_path) as there:
        ben = await there.person("ben/phone")
        await there.node.get(RoomList).clean()
        assert await items(there, ben) == [f"kept@{SERVICE}"]
        assert await there.node.store.groups() == [f"kept@{SERVICE}"]


async def _nothing() -> None:
    """Does not run, as in a crash."""


async def test_what_a_room_is_says_its_disco(there: There) -> None:
    ada, ben, _ = await trio(there, roomname="Tea", roomdesc="For tea", whois="moderators")
    found = await info(there, ben)
    assert "<identity category='conference' type='text' name='Tea'/>" in found
    for var in ("muc_open", "muc_hidden", "muc_persistent", "muc_semianonymous", "muc_unsecured"):
        assert f"<feature var='{var}'/>" in found, var
    assert "<field var='muc#roominfo_occupants' type='text-single'><value>3</value>" in found
    await there.write(ada, "", "<subject>secret plans</subject>")
    there.heard(ben)
    assert "secret plans" in await info(there, ben)
    await there.configure(ada, membersonly="1", publicroom="1")
    there.heard(ben)
    assert "secret plans" not in await info(there, ben)
    await there.configure(ada, publicroom="0")
    await there.configure(ada, membersonly="1", passwordprotectedroom="1", roomsecret="x")
    assert "muc_passwordprotected" in await info(there, ada)
    there.heard(ben)
    assert "item-not-found" in await info(there, ben)
    assert await items(there, ben, GROUP) == ["item-not-found"]
    assert "item-not-found" in await info(there, ada, f"nothing@{SERVICE}")


async def test_somebody_learns_their_own_nickname(there: There) -> None:
    ada, ben, _ = await trio(there)
    node = "x-roomuser-item"
    assert "<identity category='conference' type='text' name='ada'/>" in await info(there, ada, GROUP, node)
    assert "<identity" not in await info(there, ben, GROUP, node)
    assert "item-not-found" in await info(there, ben, GROUP, "other")


async def test_the_service_says_what_it_is(there: There) -> None:
    ada = await there.person("ada/phone")
    found = await info(there, ada, SERVICE)
    assert "<identity category='conference' type='text'" in found
    assert "<feature var='http://jabber.org/protocol/muc'/>" in found
    xml = f"<iq type='get' id='u' to='{SERVICE}'><unique xmlns='http://jabber.org/protocol/muc#unique'/></iq>"
    names = {(await there.says(ada, xml))[0].inner for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize("to", [GROUP, f"{GROUP}/ada"])
async def test_unknown_requests_are_refused(there: There, to: str) -> None:
    ada, _, cyd = await trio(there)
    unknown = f"<iq type='get' id='x' to='{to}'><query xmlns='what'/></iq>"
    found = conditions(await there.says(cyd, unknown))
    assert found == (["service-unavailable"] if to == GROUP else [])
    assert len(there.heard(ada)) == (to != GROUP)
