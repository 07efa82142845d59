"""Occupants over a restart of the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kith.core.actors import sm
from kith.core.actors.account import Session
from kith.groups.group import Group
from kith.groups.seats import Seats
from kith.groups.service import GroupService
from tests.groups.test_entering import items, names, trio
from tests.groups.there import ADMIN, GROUP, There, codes, groups, texts
from tests.parts import DOMAIN


def resumable(session: Session) -> None:
    session.sm = sm.Unacknowledged("token-" + session.full, 1000, 1_000_000)


async def loaded(there: There) -> Group:
    """The group, once sessions from before the restart are in it again."""
    async with asyncio.timeout(10):
        while (group := there.node.get(GroupService).groups.get(GROUP)) is None or len(group.occupants) < 2:
            await asyncio.sleep(0.01)
    return group


async def test_who_can_resume_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with groups(tmp_path) as there:
        ada, ben, _ = await trio(there, moderatedroom="1")
        query = f"<query xmlns='{ADMIN}'><item nick='ben' role='participant'/></query>"
        await there.says(ada, f"<iq type='set' id='r' to='{GROUP}'>{query}</iq>")
        await there.says(ben, f"<presence to='{GROUP}/ben'><show>away</show></presence>")
        for session in (ada, ben):
            resumable(session)
            session.sink, session.lost_at = None, there.node.clock.steady()
    async with groups(tmp_path) as there:
        group = await loaded(there)
        again = [there.node.accounts.sessions(f"{name}@{DOMAIN}") for name in ("ada", "ben", "cyd")]
        assert [len(sessions) for sessions in again] == [1, 1, 0]
        assert sorted(occupant.nick for occupant in group.occupants) == ["ada", "ben"]
        dan = await there.person("dan/phone")
        seen = await there.enter(dan, "dan")
        assert names(seen) == ["ada", "ben", "dan"]
        assert b"<show>away</show>" in seen[1].inner
        assert items(seen[1])["role"] == "participant"
        there.node.sessions.close(again[1][0])
        await there.room.settle()
        assert names(there.heard(dan)) == ["-ben"]


async def test_who_can_not_resume_is_told_that_the_service_stops(there: There) -> None:
    ada, ben, _ = await trio(there)
    resumable(ada)
    there.node.get(Seats).leave()
    (gone,) = there.heard(ben)
    assert (gone.type, codes(gone)) == ("unavailable", {"110", "332"})
    assert there.heard(ada) == []
    assert texts(await there.write(ada, "alone")) == ["alone"]
