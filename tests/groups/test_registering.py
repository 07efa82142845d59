"""Registering with a group, and asking to become a member (XEP-0045 §7.10 and §9.9)."""

from __future__ import annotations

import pytest

from kith.core.actors.account import Session
from kith.groups.members import Affiliation
from kith.groups.service import GroupService
from kith.wire.stanza import Stanza
from tests.groups.test_entering import items, trio
from tests.groups.test_inviting import affiliation
from tests.groups.there import GROUP, GROUPS, There, conditions
from tests.parts import DOMAIN

FORM = "http://jabber.org/protocol/muc#register"


def form(form_type: str = FORM, **fields: str) -> str:
    found = "".join(
        f"<field var='muc#register_{var}'><value>{value}</value></field>" for var, value in fields.items()
    )
    return (
        "<x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{form_type}</value></field>{found}</x>"
    )


async def register(there: There, session: Session, inner: str, type: str = "set") -> list[Stanza]:
    xml = f"<iq type='{type}' id='r' to='{GROUP}'><query xmlns='jabber:iq:register'>{inner}</query></iq>"
    return await there.says(session, xml)


async def test_who_registers_with_an_open_room_is_a_member_with_a_nickname(there: There) -> None:
    ada, ben, cyd = await trio(there)
    (blank,) = await register(there, ben, "", "get")
    assert b"muc#register_roomnick" in blank.inner
    assert b"<registered/>" not in blank.inner
    assert conditions(await register(there, ben, form(roomnick="ada"))) == ["conflict"]
    assert conditions(await register(there, ben, form(roomnick="Benjamin"))) == []
    assert affiliation(there, "ben") is Affiliation.MEMBER
    (seen,) = [stanza for stanza in there.heard(cyd) if stanza.kind == "presence"]
    assert items(seen)["affiliation"] == "member"
    (known,) = await register(there, ben, "", "get")
    assert b"<registered/><username>Benjamin</username>" in known.inner
    assert conditions(await register(there, cyd, form(roomnick="Benjamin"))) == ["conflict"]
    number = there.node.get(GroupService).groups.all()[0].state.number
    assert conditions(await register(there, ben, form(roomnick="Benjamin"))) == []
    assert there.node.get(GroupService).groups.all()[0].state.number == number
    assert conditions(await register(there, ben, form(roomnick="B."))) == []
    await register(there, ben, "<remove/>")
    assert affiliation(there, "ben") is Affiliation.NONE
    assert conditions(await register(there, ben, "<remove/>")) == ["registration-required"]
    assert conditions(await register(there, ada, "<remove/>")) == ["conflict"]  # the last owner


@pytest.mark.parametrize("inner", ["", "<username>ben</username>", form("other", roomnick="x"), form()])
async def test_what_is_no_registration_is_refused(there: There, inner: str) -> None:
    _, ben, _ = await trio(there)
    assert conditions(await register(there, ben, inner)) == ["bad-request"]


async def test_a_group_for_members_takes_none_and_a_banned_one_is_forbidden(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"cyd": "outcast"})
    there.heard(cyd)
    assert conditions(await register(there, cyd, form(roomnick="c"))) == ["forbidden"]
    await there.configure(ada, membersonly="1", publicroom="1")
    there.heard(ben)
    assert conditions(await register(there, ben, "", "get")) == ["not-allowed"]
    assert conditions(await register(there, ben, form(roomnick="b"))) == ["not-allowed"]


async def test_admins_decide_who_becomes_a_member(there: There) -> None:
    ada, _, cyd = await trio(there, **{"membersonly": "1", f"{{{GROUPS}}}requests": "1"})
    dan = await there.person("dan/phone")
    assert conditions(await register(there, dan, form(roomnick="Daniel"))) == []
    assert affiliation(there, "dan") is Affiliation.NONE
    (asked,) = there.heard(ada)
    assert asked.attrs["from"] == GROUP
    assert b"muc#register_allow" in asked.inner
    person = f"<field var='{{{GROUPS}}}jid'><value>dan@{DOMAIN}</value></field>"
    assert person.split("><")[1].encode() in asked.inner
    answer = form(allow="1", roomnick="Daniel").replace("</x>", person + "</x>")
    message = f"<message id='m' to='{GROUP}'>{answer}</message>"
    assert conditions(await there.says(cyd, message)) == ["forbidden"]
    stranger = message.replace("dan@", "eve@")
    assert conditions(await there.says(ada, stranger)) == ["item-not-found"]
    assert conditions(await there.says(ada, message)) == []
    assert affiliation(there, "dan") is Affiliation.MEMBER
    assert conditions(await there.says(ada, message)) == ["item-not-found"]
    assert conditions(await there.enter(dan, "Daniel")) == []


async def test_a_request_that_is_denied_is_over(there: There) -> None:
    ada, _, _ = await trio(there, **{"membersonly": "1", f"{{{GROUPS}}}requests": "1"})
    dan = await there.person("dan/phone")
    await register(there, dan, form(roomnick="Daniel"))
    person = f"<field var='{{{GROUPS}}}jid'><value>dan@{DOMAIN}</value></field>"
    answer = form(allow="0").replace("</x>", person + "</x>")
    assert conditions(await there.says(ada, f"<message id='m' to='{GROUP}'>{answer}</message>"))[-1:] == []
    assert affiliation(there, "dan") is Affiliation.NONE
