"""Affiliations with a version, for clients of large groups (XEP-0463)."""

from __future__ import annotations

import re

import pytest

from kith.core.actors.account import Session
from kith.groups import versions
from kith.wire.stanza import Stanza
from tests.groups.there import GROUP, There, conditions
from tests.parts import DOMAIN

_MAV = "urn:xmpp:muc:affiliations:1"


async def enter(there: There, session: Session, nick: str, since: str = "") -> list[Stanza]:
    """Enters with the version that one knows."""
    known = f" since='{since}'" if since else ""
    inner = (
        f"<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/><mav xmlns='{_MAV}'{known}/></x>"
    )
    return await there.enter(session, nick, inner=inner)


def told(stanza: Stanza) -> tuple[str, str, dict[str, str]]:
    """Since which version, until which one, and the affiliations by name."""
    text = stanza.inner.decode()
    mav = re.findall(f"<mav xmlns='{_MAV}'([^>]*)/>", text)[0]
    attrs = dict(re.findall(r" (\w+)='([^']*)'", mav))
    items = [dict(re.findall(r" (\w+)='([^']*)'", item)) for item in re.findall("<item([^>]*)>", text)]
    return (
        attrs.get("since", ""),
        attrs["until"],
        {item["jid"].partition("@")[0]: item["affiliation"] for item in items if "jid" in item},
    )


def versioned(stanzas: list[Stanza], kind: str) -> list[Stanza]:
    return [one for one in stanzas if one.kind == kind and _MAV.encode() in one.inner]


async def test_a_client_reads_what_has_changed_since_it_was_there(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    for name in ("cyd", "dan"):
        await there.person(f"{name}/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    heard = await enter(there, ben, "ben")
    assert heard[0].kind == "message"  # before any presence
    assert told(heard[0]) == ("", "2", {"ada": "owner", "ben": "member", "cyd": "member"})
    (own,) = versioned(heard, "presence")
    assert told(own)[1] == "2"
    assert b"code='110'" in own.inner
    # it follows what changes
    await there.affiliate(ada, {"dan": "member", "cyd": "admin"})
    (change,) = versioned(there.heard(ben), "message")
    assert told(change) == ("2", "3", {"dan": "member", "cyd": "admin"})
    assert versioned(there.heard(ada), "message") == []  # which has not asked
    # and gets no more than it needs when it comes back
    await there.says(ben, f"<presence type='unavailable' to='{GROUP}/ben'/>")
    heard = await enter(there, ben, "ben", "3")
    assert (versioned(heard, "message"), len(versioned(heard, "presence"))) == ([], 1)
    await there.says(ben, f"<presence type='unavailable' to='{GROUP}/ben'/>")
    await there.affiliate(ada, {"dan": "admin"})
    assert told((await enter(there, ben, "ben", "3"))[0]) == ("3", "4", {"dan": "admin"})


@pytest.mark.parametrize("known", ["2", "9", "x", "2.1"])
async def test_who_was_removed_is_missing_in_a_whole_list(there: There, known: str) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.person("cyd/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    await there.affiliate(ada, {"cyd": "none"})
    assert told((await enter(there, ben, "ben", known))[0]) == ("", "3", {"ada": "owner", "ben": "member"})


async def test_a_ban_that_is_lifted_is_not_remembered_by_admins(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    await there.affiliate(ada, {"eve": "outcast"})
    await there.says(ada, f"<presence type='unavailable' to='{GROUP}/ada'/>")
    assert told((await enter(there, ada, "ada"))[0])[2] == {"ada": "owner", "eve": "outcast"}
    await there.says(ada, f"<presence type='unavailable' to='{GROUP}/ada'/>")
    await there.affiliate(ada, {"eve": "none"})
    assert told((await enter(there, ada, "ada", "2"))[0]) == ("", "3", {"ada": "owner"})


async def test_a_long_list_comes_in_parts(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_PART", 2)
    ada = await there.person("ada/phone")
    await there.make(ada)
    for name in ("ben", "cyd"):
        await there.person(f"{name}/phone")
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    await there.says(ada, f"<presence type='unavailable' to='{GROUP}/ada'/>")
    first, last = [told(one) for one in (await enter(there, ada, "ada"))[:2]]
    assert (first[:2], last[:2]) == (("", "2.1"), ("2.1", "2"))
    assert {*first[2], *last[2]} == {"ada", "ben", "cyd"}


async def test_who_may_not_see_the_members_is_told_so(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada, whois="moderators")
    await there.affiliate(ada, {"ben": "member"})
    heard = await enter(there, ben, "ben")
    assert conditions(heard) == ["forbidden"]
    assert versioned(heard, "presence") == []
    await there.affiliate(ada, {f"cyd@other.{DOMAIN}": "member"})
    assert versioned(there.heard(ben), "message") == []
