"""Entering and leaving rooms: what each sees, in which order, and what is refused (XEP-0045 §7.2)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.groups.service import GroupService
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza
from tests.groups.there import GROUP, JOIN, There, codes, conditions, groups, texts
from tests.parts import DOMAIN

PLAIN_JOIN = "<x xmlns='http://jabber.org/protocol/muc'/>"


def names(stanzas: list[Stanza]) -> list[str]:
    """Who is seen, in order, with ``-`` for those who are gone."""
    return [
        ("-" if stanza.type == "unavailable" else "") + stanza.attrs["from"].partition("/")[2]
        for stanza in stanzas
        if stanza.kind == "presence" and stanza.type in ("", "unavailable")
    ]


def items(stanza: Stanza) -> dict[str, str]:
    """The attributes of the item in presence."""
    match = re.search(r"<item ([^>]*?)/?>", stanza.inner.decode())
    return dict(re.findall(r"(\w+)='([^']*)'", match[1])) if match else {}


async def trio(there: There, **config: str) -> tuple[Session, Session, Session]:
    """Ada owns an open group; ben and cyd are there, and have heard all."""
    ada, ben, cyd = [await there.person(f"{name}/phone") for name in ("ada", "ben", "cyd")]
    await there.make(ada, **({"membersonly": "0"} | config))
    await there.enter(ben, "ben")
    await there.enter(cyd, "cyd")
    for session in (ada, ben, cyd):
        there.heard(session)
    return ada, ben, cyd


async def test_the_first_creates_the_room_and_owns_it(there: There) -> None:
    ada = await there.person("ada/phone")
    heard = await there.says(ada, f"<presence id='j1' to='{GROUP}/ada'>{PLAIN_JOIN}</presence>")
    own, subject = heard
    assert codes(own) == {"110", "201", "100"}
    assert items(own) == {"affiliation": "owner", "role": "moderator", "jid": f"ada@{DOMAIN}/phone"}
    assert own.id == "j1"
    assert (subject.kind, subject.type, subject.inner) == ("message", "groupchat", b"<subject/>")
    ben = await there.person("ben/phone")
    assert conditions(await there.enter(ben, "ben")) == ["item-not-found"]  # it is locked


async def test_who_enters_sees_the_others_then_themselves_then_history_then_the_subject(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada, membersonly="0")
    await there.write(ada, "before")
    await there.write(ada, "", "<subject>tea</subject>")
    ben = await there.person("ben/phone")
    there.heard(ada)
    heard = await there.enter(ben, "ben", inner=PLAIN_JOIN)
    assert names(heard) == ["ada", "ben"]
    assert [stanza.kind for stanza in heard] == ["presence", "presence", "message", "message"]
    assert "110" in codes(heard[1])
    assert "110" not in codes(heard[0])
    assert texts(heard) == ["before"]
    assert f"<delay xmlns='urn:xmpp:delay' from='{GROUP}'".encode() in heard[2].inner
    assert b"<subject>tea</subject><delay" in heard[3].inner
    assert heard[3].attrs["from"] == f"{GROUP}/ada"
    (seen,) = there.heard(ada)
    assert names([seen]) == ["ben"]
    assert codes(seen) == set()


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("", ["1", "2", "3"]),
        ("maxstanzas='2'", ["2", "3"]),
        ("maxstanzas='0'", []),
        ("maxchars='0'", []),
        ("maxchars='9999999'", ["1", "2", "3"]),
        ("seconds='1000'", ["1", "2", "3"]),
        ("seconds='99999999999999'", ["1", "2", "3"]),
        ("since='2999-01-01T00:00:00Z'", []),
        ("since='1970-01-01T00:00:00Z'", ["1", "2", "3"]),
    ],
)
async def test_a_client_limits_the_history(there: There, history: str, expected: list[str]) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada, membersonly="0")
    for number in range(1, 4):
        await there.write(ada, str(number))
    ben = await there.person("ben/phone")
    inner = f"<x xmlns='http://jabber.org/protocol/muc'><history {history}/></x>"
    assert texts(await there.enter(ben, "ben", inner=inner)) == expected


@pytest.mark.parametrize("history", ["maxstanzas='-1'", "maxchars='x'", "seconds=''", "since='yesterday'"])
async def test_a_history_that_is_no_history_is_refused(there: There, history: str) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada, membersonly="0")
    ben = await there.person("ben/phone")
    inner = f"<x xmlns='http://jabber.org/protocol/muc'><history {history}/></x>"
    assert conditions(await there.enter(ben, "ben", inner=inner)) == ["bad-request"]
    assert names(await there.enter(ben, "ben")) == ["ada", "ben"]


async def test_each_reason_not_to_let_somebody_in_has_its_error(there: There) -> None:
    ada, ben, cyd = await trio(there, maxusers="3")
    dan = await there.person("dan/phone")
    assert conditions(await there.enter(dan, "dan")) == ["service-unavailable"]
    await there.configure(ada, maxusers="0", passwordprotectedroom="1", roomsecret="secret")
    assert conditions(await there.enter(dan, "dan")) == ["not-authorized"]
    wrong = "<x xmlns='http://jabber.org/protocol/muc'><password>no</password></x>"
    assert conditions(await there.enter(dan, "dan", inner=wrong)) == ["not-authorized"]
    right = "<x xmlns='http://jabber.org/protocol/muc'><password>secret</password></x>"
    assert conditions(await there.enter(dan, "ben", inner=right)) == ["conflict"]
    assert conditions(await there.says(dan, f"<presence to='{GROUP}'>{right}</presence>")) == [
        "jid-malformed"
    ]
    assert names(await there.enter(dan, "dan", inner=right)) == ["ada", "ben", "cyd", "dan"]
    await there.configure(ada, membersonly="1", passwordprotectedroom="0")
    assert conditions(await there.enter(dan, "dan")) == ["registration-required"]
    await there.affiliate(ada, {"dan": "outcast"})
    there.heard(dan)
    assert conditions(await there.enter(dan, "dan")) == ["forbidden"]
    assert there.heard(ben) != there.heard(cyd)


async def test_admins_enter_a_full_room(there: There) -> None:
    ada, _, _ = await trio(there, maxusers="3")
    dan = await there.person("dan/phone")
    await there.affiliate(ada, {"dan": "admin"})
    there.heard(dan)
    assert names(await there.enter(dan, "dan")) == ["ada", "ben", "cyd", "dan"]


async def test_a_nickname_of_a_member_is_theirs_while_they_are_away(there: There) -> None:
    ada, _, _ = await trio(there)
    await there.person("dan/phone")
    await there.affiliate(ada, {"dan": "member"})
    eve = await there.person("eve/phone")
    assert conditions(await there.enter(eve, "dan")) == ["conflict"]


async def test_nobody_creates_a_room_where_that_is_not_allowed(tmp_path: Path) -> None:
    async with groups(tmp_path, create_groups=False) as there:
        ada = await there.person("ada/phone")
        assert conditions(await there.enter(ada, "ada")) == ["not-allowed"]
        assert conditions(await there.says(ada, f"<presence to='{GROUP}'>{JOIN}</presence>")) == [
            "jid-malformed"
        ]


async def test_a_nickname_that_is_changed_by_the_room_is_announced_with_210(there: There) -> None:
    ada, ben, _ = await trio(there)
    dan = await there.person("dan/phone")
    (own,) = [s for s in await there.enter(dan, "  two   spaces ") if "110" in codes(s)]
    assert own.attrs["from"] == f"{GROUP}/two spaces"
    assert "210" in codes(own)
    (seen,) = there.heard(ben)
    assert seen.attrs["from"] == f"{GROUP}/two spaces"
    heard = await there.says(dan, f"<presence to='{GROUP}/{'x' * 200}'/>")
    assert names(heard) == ["-two spaces", "x" * 60]
    assert codes(heard[0]) == {"110", "303"}
    assert codes(heard[1]) == {"110", "210"}
    assert names(there.heard(ada)) == ["two spaces", "-two spaces", "x" * 60]


async def test_a_new_nickname_is_told_to_all_with_303(there: There) -> None:
    ada, ben, cyd = await trio(there)
    own_gone, own_new = await there.says(ben, f"<presence to='{GROUP}/benny'/>")
    gone, new = there.heard(ada)
    assert names([gone, new]) == ["-ben", "benny"]
    assert codes(gone) == {"303"}
    assert items(gone)["nick"] == "benny"
    assert items(gone)["role"] == "participant"
    assert (codes(own_gone), codes(own_new)) == ({"303", "110"}, {"110"})
    assert conditions(await there.says(ben, f"<presence to='{GROUP}/cyd'/>")) == ["conflict"]
    assert texts(await there.write(cyd, "hi")) == ["hi"]


async def test_two_clients_of_a_person_are_one_occupant(there: There) -> None:
    ada, ben, _ = await trio(there)
    desk = await there.person("ben/desk")
    assert names(await there.enter(desk, "ben")) == ["ada", "cyd", "ben"]
    assert there.heard(ada) == []
    await there.write(ada, "both")
    assert texts(there.heard(ben)) == texts(there.heard(desk)) == ["both"]
    there.heard(ada)
    heard = await there.says(ben, f"<presence type='unavailable' to='{GROUP}/ben'/>")
    assert names(heard) == ["-ben"]
    assert there.heard(ada) == []
    heard = await there.says(
        desk, f"<presence type='unavailable' to='{GROUP}/ben'><status>bye</status></presence>"
    )
    assert b"<status>bye</status>" in heard[0].inner
    (gone,) = there.heard(ada)
    assert b"<status>bye</status>" in gone.inner
    assert items(gone)["role"] == "none"


async def test_who_enters_again_gets_everything_again_and_disturbs_nobody(there: There) -> None:
    ada, ben, _ = await trio(there)
    await there.write(ada, "before")
    there.heard(ben)
    heard = await there.enter(ben, "ben", inner=PLAIN_JOIN)
    assert names(heard) == ["ada", "cyd", "ben"]
    assert texts(heard) == ["before"]
    assert heard[-1].inner == b"<subject/>"
    assert [s for s in there.heard(ada) if s.kind == "presence"] == []


async def test_presence_from_who_is_not_inside_is_answered_with_a_kick(there: There) -> None:
    await trio(there)
    dan = await there.person("dan/phone")
    (kicked,) = await there.says(dan, f"<presence to='{GROUP}/dan'/>")
    assert (kicked.type, codes(kicked)) == ("unavailable", {"110", "307", "333"})
    assert conditions(await there.says(dan, f"<presence to='nothing@groups.{DOMAIN}/dan'/>")) == [
        "item-not-found"
    ]


async def test_presence_of_an_occupant_is_passed_on_and_large_extensions_are_not(there: There) -> None:
    ada, ben, _ = await trio(there)
    extension = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='y'/>"
    await there.says(ben, f"<presence to='{GROUP}/ben'><show>away</show>{extension}</presence>")
    (seen,) = there.heard(ada)
    assert b"<show>away</show>" in seen.inner
    assert b"protocol/caps" in seen.inner
    big = f"<status>{'s' * 3000}</status><big xmlns='x'>{'b' * 3000}</big>"
    await there.says(ben, f"<presence to='{GROUP}/ben'><show>dnd</show>{big}</presence>")
    (seen,) = there.heard(ada)
    assert b"<show>dnd</show>" in seen.inner
    assert b"<big" not in seen.inner
    assert len(seen.inner) < 2000


async def test_nobody_pretends_in_presence_to_be_the_room(there: There) -> None:
    ada, ben, _ = await trio(there)
    forged = (
        "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'/>"
        "<status code='110'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>"
    )
    await there.says(ben, f"<presence to='{GROUP}/ben'>{forged}</presence>")
    (seen,) = there.heard(ada)
    assert seen.inner.count(b"muc#user") == 1
    assert b"forged" not in seen.inner
    assert items(seen)["affiliation"] == "none"


async def test_a_client_that_ends_its_session_leaves(there: There) -> None:
    ada, ben, _ = await trio(there)
    there.node.sessions.end(ben)
    await there.room.settle()
    assert names(there.heard(ada)) == ["-ben"]


async def test_addresses_are_for_moderators_in_a_semi_anonymous_room(there: There) -> None:
    ada, ben, _ = await trio(there, whois="moderators")
    dan = await there.person("dan/phone")
    heard = await there.enter(dan, "dan")
    assert "100" not in codes(heard[-2])
    assert all(b"jid=" not in stanza.inner for stanza in heard if stanza.kind == "presence")
    assert items(there.heard(ada)[0])["jid"] == f"dan@{DOMAIN}/phone"
    assert "jid" not in items(there.heard(ben)[0])


async def test_lurkers_are_announced_to_moderators_only_where_that_is_set(there: There) -> None:
    ada, ben, _ = await trio(there, moderatedroom="1", presencebroadcast="moderator")
    dan = await there.person("dan/phone")
    assert names(await there.enter(dan, "dan")) == ["ada", "dan"]
    assert names(there.heard(ada)) == ["dan"]
    assert there.heard(ben) == []


async def test_who_enters_a_room_that_others_can_read_is_told(there: There) -> None:
    ada, _, _ = await trio(there)
    dan = await there.person("dan/phone")
    assert codes((await there.enter(dan, "dan"))[-2]) == {"110", "100", "170"}
    heard = await there.configure(ada, enablearchiving="0")
    assert {"104", "171"} in [codes(stanza) for stanza in heard]


async def test_somebody_of_a_server_that_is_gone_is_removed(there: There) -> None:
    ada, _, _ = await trio(there)
    service, eve = there.node.get(GroupService), parse_jid("eve@other.example/x")
    there.node.hosts.remote = Nowhere()  # type: ignore[assignment]
    for kind in ("presence", "message"):
        joins = Stanza.from_bytes(f"<presence from='{eve}' to='{GROUP}/eve'>{JOIN}</presence>".encode())
        service.receive(joins, eve, parse_jid(f"{GROUP}/eve"))
        await there.room.settle()
        assert names(there.heard(ada)) == ["eve"]
        for condition, gone in (("not-acceptable", []), ("remote-server-timeout", ["-eve"])):
            error = (
                f"<{kind} type='error' from='{eve}' to='{GROUP}'><error type='wait'>"
                f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
            )
            service.receive(Stanza.from_bytes(error.encode()), eve, parse_jid(GROUP))
            await there.room.settle()
            heard = there.heard(ada)
            assert names(heard) == gone, (kind, condition)
        assert codes(heard[0]) == {"333"}


class Nowhere:
    """Other servers, of which none answers."""

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None: ...


async def test_many_people_of_one_name_have_nicknames_of_their_own(there: There) -> None:
    ada, _, _ = await trio(there)
    people = {f"sam@server{number}.example": "member" for number in range(40)}
    assert conditions(await there.affiliate(ada, people)) == []
    group = there.node.get(GroupService).groups.get(GROUP)
    assert group is not None
    assert len({member.nick for member in group.members if member.nick.startswith("sam")}) == 40


async def test_a_subject_has_a_bound(there: There) -> None:
    ada, _, _ = await trio(there)
    assert conditions(await there.write(ada, "", f"<subject>{'x' * 3000}</subject>")) == ["not-acceptable"]


async def test_who_floods_a_room_with_presence_is_refused(there: There) -> None:
    _, ben, _ = await trio(there)
    heard: list[Stanza] = []
    for number in range(80):
        heard += await there.says(ben, f"<presence to='{GROUP}/ben'><status>{number}</status></presence>")
    assert "policy-violation" in conditions(heard)


async def test_a_temporary_room_vanishes_with_its_last_occupant(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada, persistentroom="0", membersonly="0")
    await there.write(ada, "gone with it")
    await there.says(ada, f"<presence type='unavailable' to='{GROUP}/ada'/>")
    assert await there.node.store.account(GROUP) is None
    assert await there.log("ada") == []
    ben = await there.person("ben/phone")
    assert "201" in codes((await there.enter(ben, "ben"))[0])


async def test_a_room_that_its_creator_leaves_before_it_is_configured_vanishes(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.enter(ada, "ada")
    await there.says(ada, f"<presence type='unavailable' to='{GROUP}/ada'/>")
    assert await there.node.store.account(GROUP) is None
