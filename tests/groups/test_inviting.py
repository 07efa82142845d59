"""Invitations through a group: who may, what the guest gets, and how they are declined (XEP-0045 §7.8.2)."""

from __future__ import annotations

import pytest

from kith.core.actors.account import Session
from kith.groups.members import Affiliation
from kith.groups.service import GroupService
from kith.wire.stanza import Stanza
from tests.groups.test_entering import Nowhere, trio
from tests.groups.there import GROUP, USER, There, conditions
from tests.parts import DOMAIN


async def invite(there: There, session: Session, to: str, inner: str = "") -> list[str]:
    """Invites somebody; returns the conditions of errors."""
    x = f"<x xmlns='{USER}'><invite to='{to}'>{inner}</invite></x>"
    return conditions(await there.says(session, f"<message id='i' to='{GROUP}'>{x}</message>"))


def affiliation(there: There, name: str) -> Affiliation:
    group = there.node.get(GroupService).groups.get(GROUP)
    assert group is not None
    return group.members.affiliation(f"{name}@{DOMAIN}")


async def test_a_guest_gets_the_invitation_with_reason_thread_and_password(there: There) -> None:
    _, ben, _ = await trio(there, passwordprotectedroom="1", roomsecret="p", membersonly="0")
    dan = await there.person("dan/phone")
    inner = "<reason>tea</reason><continue thread='t1'/>"
    assert await invite(there, ben, f"dan@{DOMAIN}", inner) == ["not-acceptable"]  # ben could not enter
    ada = there.node.accounts.sessions(f"ada@{DOMAIN}")[0]
    assert await invite(there, ada, f"dan@{DOMAIN}", inner) == []
    (got,) = there.heard(dan)
    assert got.attrs["from"] == GROUP
    assert got.inner.startswith(
        f"<x xmlns='{USER}'><invite from='ada@{DOMAIN}'><reason>tea</reason>"
        "<continue thread='t1'/></invite><password>p</password></x>".encode()
    )
    assert affiliation(there, "dan") is Affiliation.NONE


async def test_a_guest_who_is_away_finds_the_invitation(there: There) -> None:
    ada, _, _ = await trio(there)
    await there.node.store.create_accounts([(f"dan@{DOMAIN}", {})])
    assert await invite(there, ada, f"dan@{DOMAIN}") == []
    dan = await there.person("dan/phone", presence=False)
    assert any(b"<invite from=" in stanza.inner for stanza in await there.says(dan, "<presence/>"))


async def test_an_invitation_to_a_group_of_members_makes_a_member(there: There) -> None:
    ada, ben, _ = await trio(there, membersonly="1")
    dan, eve = await there.person("dan/phone"), await there.person("eve/phone")
    assert await invite(there, ada, f"dan@{DOMAIN}") == []
    assert affiliation(there, "dan") is Affiliation.MEMBER
    assert b"<invite" in there.heard(dan)[-1].inner
    assert conditions(await there.enter(dan, "dan")) == []
    await there.configure(ada, allowinvites="0")
    assert await invite(there, dan, f"eve@{DOMAIN}") == ["forbidden"]
    assert affiliation(there, "eve") is Affiliation.NONE
    assert there.heard(eve) == []
    assert await invite(there, ben, f"eve@{DOMAIN}") == ["not-acceptable"]


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        ("", "jid-malformed"),
        ("@@", "jid-malformed"),
        (DOMAIN, "jid-malformed"),
        (f"nobody@{DOMAIN}", "item-not-found"),
        (GROUP, "item-not-found"),
    ],
)
async def test_an_invitation_to_nobody_is_refused(there: There, to: str, condition: str) -> None:
    ada, _, _ = await trio(there)
    assert await invite(there, ada, to) == [condition]


async def test_a_member_of_another_server_is_invited_when_added(there: There) -> None:
    ada, _, _ = await trio(there, membersonly="1")
    sent: list[Stanza] = []
    nowhere = Nowhere()
    nowhere.receive = lambda stanza, sender, to: sent.append(stanza)  # type: ignore[method-assign]
    there.node.hosts.remote = nowhere  # type: ignore[assignment]
    await there.affiliate(ada, {"eve@other.example": "member"})
    (invitation,) = sent
    assert invitation.attrs["to"] == "eve@other.example"
    assert f"<invite from='ada@{DOMAIN}'/>".encode() in invitation.inner
    sent.clear()
    assert await invite(there, ada, "fay@other.example") == []
    assert len(sent) == 1
    await there.affiliate(ada, {"eve@other.example": "admin"})
    assert len(sent) == 1


async def test_who_is_banned_is_not_invited(there: There) -> None:
    ada, ben, _ = await trio(there)
    await there.affiliate(ada, {"cyd": "outcast"})
    assert await invite(there, ben, f"cyd@{DOMAIN}") == ["not-allowed"]


async def test_the_inviter_learns_that_it_was_declined(there: There) -> None:
    ada, _, cyd = await trio(there)
    dan = await there.person("dan/phone")
    decline = f"<x xmlns='{USER}'><decline to='ada@{DOMAIN}'><reason>busy</reason></decline></x>"
    message = f"<message id='d' to='{GROUP}'>{decline}</message>"
    assert conditions(await there.says(dan, message)) == ["not-acceptable"]  # nobody has invited dan
    await invite(there, ada, f"dan@{DOMAIN}")
    there.heard(dan)
    there.heard(ada)
    assert conditions(await there.says(dan, message)) == []
    (got,) = there.heard(ada)
    assert got.attrs["from"] == GROUP
    assert f"<decline from='dan@{DOMAIN}'><reason>busy</reason></decline>".encode() in got.inner
    assert there.heard(cyd) == []
    assert conditions(await there.says(dan, message)) == ["not-acceptable"]


async def test_invitations_are_limited(there: There) -> None:
    ada, _, _ = await trio(there)
    await there.person("dan/phone")
    found = [await invite(there, ada, f"dan@{DOMAIN}") for _ in range(60)]
    assert ["policy-violation"] in found
    assert [] in found


async def test_a_message_to_the_room_that_is_nothing_known_is_refused(there: There) -> None:
    ada, _, _ = await trio(there)
    for inner in ("<body>hi</body>", f"<x xmlns='{USER}'/>", f"<x xmlns='{USER}'><invite/></x>"):
        found = conditions(await there.says(ada, f"<message id='i' to='{GROUP}'>{inner}</message>"))
        assert found[0] in ("bad-request", "jid-malformed"), inner
