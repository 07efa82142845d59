"""Who may change affiliations and roles, and what all see of it (XEP-0045 §8 to §10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.groups.service import GroupService
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.groups.test_entering import items, names, trio
from tests.groups.there import ADMIN, GROUP, OWNER, There, codes, conditions, groups
from tests.parts import DOMAIN


async def ask(there: There, session: Session, item: str, type: str = "set") -> list[str]:
    """Asks for changes; returns the conditions of errors."""
    xml = f"<iq type='{type}' id='a' to='{GROUP}'><query xmlns='{ADMIN}'>{item}</query></iq>"
    return conditions(await there.says(session, xml))


def role(nick: str, word: str, reason: str = "") -> str:
    return f"<item nick='{nick}' role='{word}'>{f'<reason>{reason}</reason>' if reason else ''}</item>"


def seen(there: There, session: Session) -> list[Stanza]:
    """The presence that a session has got."""
    return [stanza for stanza in there.heard(session) if stanza.kind == "presence"]


async def listed(there: There, session: Session, asked: str) -> list[str]:
    """The names in a list, such as ``affiliation='member'``, or the conditions of errors."""
    xml = f"<iq type='get' id='l' to='{GROUP}'><query xmlns='{ADMIN}'><item {asked}/></query></iq>"
    (answer,) = [stanza for stanza in await there.says(session, xml) if stanza.kind == "iq"]
    if answer.type == "error":
        return conditions([answer])
    query = answer.element[0]
    return [item.get("jid", "").partition("@")[0] for item in query]


async def test_who_is_kicked_is_told_by_whom_and_why_and_may_return(there: There) -> None:
    ada, ben, cyd = await trio(there)
    assert await ask(there, ada, role("ben", "none", "enough")) == []
    (own,) = there.heard(ben)
    assert codes(own) == {"110", "307"}
    assert b"<actor nick='ada'/><reason>enough</reason>" in own.inner
    (gone,) = there.heard(cyd)
    assert (names([gone]), codes(gone)) == (["-ben"], {"307"})
    assert names(await there.enter(ben, "ben")) == ["ada", "cyd", "ben"]


async def test_who_is_banned_is_out_and_stays_out(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "outcast"})
    assert codes(seen(there, ben)[-1]) == {"110", "301"}
    assert codes(seen(there, cyd)[0]) == {"301"}
    assert conditions(await there.enter(ben, "ben")) == ["forbidden"]
    assert await listed(there, ada, "affiliation='outcast'") == ["ben"]
    assert await listed(there, cyd, "affiliation='outcast'") == ["forbidden"]
    await there.affiliate(ada, {"ben": "none"})
    assert names(await there.enter(ben, "ben")) == ["ada", "cyd", "ben"]


async def test_a_whole_server_is_banned_except_its_members(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"cyd": "member"})
    there.heard(cyd)
    assert await ask(there, ada, f"<item jid='{DOMAIN}' affiliation='outcast'/>") == []
    assert codes(seen(there, ben)[-1]) == {"110", "301"}
    assert names(there.heard(cyd)) == ["-ben"]
    assert conditions(await there.enter(ben, "ben")) == ["forbidden"]
    assert await ask(there, ada, f"<item jid='{DOMAIN}' affiliation='member'/>") == ["jid-malformed"]


async def test_who_loses_membership_leaves_a_members_only_room(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    await there.configure(ada, membersonly="1")
    for session in (ben, cyd):
        there.heard(session)
    await there.affiliate(ada, {"ben": "none"})
    assert codes(seen(there, ben)[0]) == {"110", "321"}
    (gone,) = seen(there, cyd)
    assert names([gone]) == ["-ben"]
    assert codes(gone) == {"321"}


async def test_a_room_that_becomes_members_only_removes_the_others(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "member"})
    for session in (ben, cyd):
        there.heard(session)
    await there.configure(ada, membersonly="1")
    assert [codes(stanza) for stanza in seen(there, cyd)] == [{"110", "322"}]
    assert names(there.heard(ben)) == ["-cyd"]


async def test_a_new_affiliation_is_shown_in_presence_or_in_a_message(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.person("dan/phone")
    await there.affiliate(ada, {"ben": "admin"})
    (changed,) = seen(there, cyd)
    assert items(changed)["affiliation"] == "admin"
    assert items(changed)["role"] == "moderator"
    there.heard(ben)
    await there.affiliate(ada, {"dan": "member"})
    (told,) = [s for s in there.heard(cyd) if s.kind == "message" and b"muc#user" in s.inner]
    assert items(told) == {"affiliation": "member", "jid": f"dan@{DOMAIN}", "role": "none"}
    assert told.attrs["from"] == GROUP


@pytest.mark.parametrize(
    ("who", "item", "condition"),
    [
        ("ben", role("cyd", "none"), "forbidden"),
        ("ben", role("cyd", "moderator"), "forbidden"),
        ("ben", "<item nick='cyd' affiliation='outcast'/>", "forbidden"),
        ("ben", "<item nick='ben' affiliation='admin'/>", "forbidden"),
        ("ada", role("nobody", "none"), "item-not-found"),
        ("ada", role("ben", "king"), "bad-request"),
        ("ada", "<item nick='ben' affiliation='king'/>", "bad-request"),
        ("ada", "<item nick='ben'/>", "bad-request"),
        ("ada", "", "bad-request"),
        ("ada", "<item jid='@@' affiliation='member'/>", "jid-malformed"),
        ("ada", f"<item jid='nobody@{DOMAIN}' affiliation='member'/>", "item-not-found"),
        ("ada", f"<item jid='{GROUP}' affiliation='member'/>", "item-not-found"),
        ("ada", "<item nick='ada' affiliation='outcast'/>", "conflict"),
        ("ada", "<item nick='ada' affiliation='admin'/>", "conflict"),
        ("ada", role("ada", "participant"), "not-allowed"),
    ],
)
async def test_what_is_not_allowed_is_refused(there: There, who: str, item: str, condition: str) -> None:
    people = dict(zip(("ada", "ben", "cyd"), await trio(there), strict=True))
    assert await ask(there, people[who], item) == [condition]


async def test_a_ban_of_an_address_without_an_account_is_not_for_another_server(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    assert conditions(await there.affiliate(ada, {"fay": "outcast"})) == []
    await there.person("fay/phone")
    assert conditions(await there.affiliate(ada, {"fay": "member"})) == []
    await there.write(ada, "hello")
    assert await there.log("fay") == ["hello"]


async def test_the_changes_of_an_admin_are_limited_as_well(tmp_path: Path) -> None:
    async with groups(tmp_path, clock=SetClock()) as there:
        ada = await there.person("ada/phone")
        await there.make(ada)
        await there.person("ben/phone")
        refused = []
        for number in range(310):
            word = "member" if number % 2 else "none"
            refused += conditions(await there.affiliate(ada, {"ben": word}))
        assert refused == ["policy-violation"] * 11  # the configuration counts as well


async def test_nobody_has_power_over_those_above(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "admin", "cyd": "admin"})
    assert await ask(there, ben, role("ada", "none")) == ["not-allowed"]
    assert await ask(there, ben, role("ada", "visitor")) == ["not-allowed"]
    assert await ask(there, ben, "<item nick='ada' affiliation='outcast'/>") == ["not-allowed"]
    assert await ask(there, ben, "<item nick='cyd' affiliation='none'/>") == ["not-allowed"]
    assert await ask(there, ben, role("cyd", "participant")) == ["not-allowed"]
    both = role("cyd", "none") + role("ada", "none")
    assert await ask(there, ben, both) == ["not-allowed"]
    assert names(there.heard(cyd)) == ["ben", "cyd"]  # nothing was done of it
    await there.affiliate(ada, {"ben": "owner"})
    assert await ask(there, ben, "<item nick='ada' affiliation='admin'/>") == []


async def test_voice_is_given_and_taken_in_a_moderated_room(there: There) -> None:
    ada, ben, cyd = await trio(there, moderatedroom="1")
    assert conditions(await there.write(ben, "may I?")) == ["forbidden"]
    assert await ask(there, ada, role("ben", "participant")) == []
    assert items(seen(there, cyd)[0])["role"] == "participant"
    assert conditions(await there.write(ben, "thanks")) == []
    assert await listed(there, ada, "role='participant'") == ["ben"]
    assert await listed(there, ada, "role='visitor'") == ["cyd"]
    assert await listed(there, ben, "role='visitor'") == ["forbidden"]
    assert await ask(there, ada, role("ben", "moderator")) == []
    assert await ask(there, ben, role("cyd", "participant")) == []
    assert await ask(there, ben, role("cyd", "moderator")) == ["forbidden"]
    assert await ask(there, ada, role("ben", "visitor")) == []
    assert conditions(await there.write(ben, "no?")) == ["forbidden"]


async def test_a_member_gets_another_nickname_from_an_admin_or_chooses_one(there: There) -> None:
    ada, ben, cyd = await trio(there)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    item = f"<item jid='ben@{DOMAIN}' affiliation='member' nick='"
    assert await ask(there, ada, f"{item}Benjamin'/>") == []
    assert await ask(there, ben, f"{item}B.'/>") == []
    assert await ask(there, cyd, f"{item}C.'/>") == ["forbidden"]
    assert await ask(there, ben, f"{item}cyd'/>") == ["conflict"]
    group = there.node.get(GroupService).groups.get(GROUP)
    assert group is not None
    assert group.members.with_nick("B.") == f"ben@{DOMAIN}"


async def test_lists_are_for_those_who_may_see_them(there: There) -> None:
    ada, ben, cyd = await trio(there, whois="moderators")
    await there.affiliate(ada, {"ben": "member"})
    assert await listed(there, ada, "affiliation='member'") == ["ben"]
    assert await listed(there, ben, "affiliation='member'") == ["forbidden"]
    await there.configure(ada, whois="anyone")
    assert await listed(there, ben, "affiliation='owner'") == ["ada"]
    assert await listed(there, cyd, "affiliation='member'") == ["forbidden"]
    assert await listed(there, ada, "affiliation='none'") == ["bad-request"]
    assert await listed(there, ada, "role='none'") == ["bad-request"]
    assert await listed(there, ada, "") == ["bad-request"]


async def test_a_room_that_is_destroyed_tells_each_once_where_to_go(there: There) -> None:
    ada, ben, cyd = await trio(there)
    destroy = (
        "<destroy jid='coven@groups.other.example'><reason>moved</reason><password>p</password></destroy>"
    )
    xml = f"<iq type='set' id='d' to='{GROUP}'><query xmlns='{OWNER}'>{destroy}</query></iq>"
    assert conditions(await there.says(ben, xml)) == ["forbidden"]
    await there.says(ada, xml)
    for session in (ben, cyd):
        (gone,) = seen(there, session)
        assert gone.type == "unavailable"
        assert b"<destroy jid='coven@groups.other.example'><reason>moved</reason><password>p" in gone.inner
    assert "gone" in conditions(
        await there.says(ben, f"<iq type='get' id='l' to='{GROUP}'><query xmlns='{OWNER}'/></iq>")
    )
    bad = xml.replace("coven@groups.other.example", "@@").replace(GROUP, f"x@groups.{DOMAIN}")
    await there.make(ada, group=f"x@groups.{DOMAIN}")
    assert conditions(await there.says(ada, bad)) == ["jid-malformed"]
