"""Asking for voice in a moderated room (XEP-0045 §7.13 and §8.6)."""

from __future__ import annotations

import gc

from kith.core.actors.account import Session
from kith.groups.occupants import Occupant
from tests.groups.test_entering import items, trio
from tests.groups.there import GROUP, GROUPS, There, conditions
from tests.parts import DOMAIN

FORM = "<x xmlns='jabber:x:data' type='submit'>{}</x>"


def field(var: str, value: str) -> str:
    return f"<field var='{var}'><value>{value}</value></field>"


TYPE = field("FORM_TYPE", "http://jabber.org/protocol/muc#request")
ROLE = field("muc#role", "participant")


async def submit(there: There, session: Session, fields: str) -> list[str]:
    xml = f"<message id='v' to='{GROUP}'>{FORM.format(TYPE + fields)}</message>"
    return conditions(await there.says(session, xml))


async def test_moderators_are_asked_and_give_voice(there: There) -> None:
    ada, ben, cyd = await trio(there, moderatedroom="1")
    assert await submit(there, ben, ROLE) == []
    (asked,) = there.heard(ada)
    assert b"<field var='muc#roomnick' type='text-single' label='Nickname'><value>ben</value>" in asked.inner
    assert b"muc#request_allow" in asked.inner
    assert there.heard(cyd) == []
    approval = ROLE + field("muc#roomnick", "ben") + field("muc#request_allow", "true")
    assert await submit(there, cyd, approval) == ["forbidden"]
    assert await submit(there, ada, approval.replace(">true<", ">false<")) == []
    assert conditions(await there.write(ben, "not yet")) == ["forbidden"]
    assert await submit(there, ada, approval) == []
    (seen,) = there.heard(cyd)
    assert items(seen)["role"] == "participant"
    assert conditions(await there.write(ben, "now")) == []


async def test_what_is_no_request_for_voice_is_refused(there: There) -> None:
    ada, ben, cyd = await trio(there, moderatedroom="1")
    assert await submit(there, ben, field("muc#role", "moderator")) == ["bad-request"]
    assert await submit(there, ada, ROLE) == ["not-allowed"]
    assert await submit(there, ada, field("muc#roomnick", "nobody")) == ["item-not-found"]
    form = FORM.format(field("FORM_TYPE", "other"))
    assert conditions(await there.says(ben, f"<message to='{GROUP}' id='v'>{form}</message>")) == [
        "bad-request"
    ]
    dan = await there.person("dan/phone")
    assert await submit(there, dan, ROLE) == ["not-acceptable"]
    for _ in range(3):
        assert await submit(there, cyd, ROLE) == []
    assert await submit(there, cyd, ROLE) == ["policy-violation"]


async def test_an_admin_s_app_sees_and_decides_who_gets_voice(there: There) -> None:
    ada, ben, cyd = await trio(there, moderatedroom="1")
    assert await submit(there, ben, ROLE) == await submit(there, cyd, ROLE) == []
    there.heard(ada)
    asking = f"<iq type='get' id='l' to='{GROUP}'><asking xmlns='{GROUPS}'/></iq>"

    async def waiting() -> list[str]:
        (answer,) = await there.says(ada, asking)
        return [one.get("nick", "") for one in answer.element[0] if one.tag == f"{{{GROUPS}}}voice"]

    assert await waiting() == ["ben", "cyd"]
    for name, word in (("ben", "approve"), ("cyd", "decline")):
        xml = f"<iq type='set' id='l' to='{GROUP}'><{word} xmlns='{GROUPS}' jid='{name}@{DOMAIN}'/></iq>"
        assert conditions(await there.says(ada, xml)) == []
    assert await waiting() == []
    assert conditions(await there.write(ben, "now")) == []
    assert conditions(await there.write(cyd, "not yet")) == ["forbidden"]


async def test_who_has_asked_and_left_is_not_kept_in_memory(there: There) -> None:
    _, ben, cyd = await trio(there, moderatedroom="1")
    for _ in range(3):
        assert await submit(there, ben, ROLE) == []
        await there.says(ben, f"<presence type='unavailable' to='{GROUP}/ben'/>")
        await there.enter(ben, "ben")
    assert await submit(there, cyd, ROLE) == []
    gc.collect()
    group = there.service.groups.get(GROUP)
    assert group is not None
    kept = [one for one in gc.get_objects() if isinstance(one, Occupant) and one.bare == ben.account.jid]
    assert kept == [group.occupants.get("ben")]
