"""Which groups stay in memory: those that were used last, and those that somebody is in."""

from __future__ import annotations

import pytest

from kith.groups import groups
from kith.ports.store import LogQuery
from tests.groups.there import GROUP, GROUPS, There


async def test_a_group_whose_marks_are_not_stored_yet_stays_in_memory(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await there.write(ada, "hello")
    await there.says(ada, f"<presence to='{GROUP}/ada' type='unavailable'/>")
    (group,) = there.service.groups.all()
    page = await there.node.store.page(LogQuery(group.id, limit=1, backwards=True))
    marks = f"<marks xmlns='{GROUPS}' read='{page.entries[0].id:016x}'/>"
    await there.says(ben, f"<message type='groupchat' to='{GROUP}'>{marks}</message>")
    monkeypatch.setattr(groups, "_CACHED", 1)
    for name in ("one", "two"):
        await there.make(ada, group=f"{name}@groups.localhost")
        await there.says(ada, f"<presence to='{name}@groups.localhost/ada' type='unavailable'/>")
    assert group in there.service.groups.all()


async def test_groups_that_nobody_uses_leave_the_memory_and_come_back(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await there.person("ada/phone")
    names = [f"g{number}@groups.localhost" for number in range(8)]
    for name in names:
        await there.make(ada, group=name)
        await there.says(ada, f"<presence to='{name}/ada' type='unavailable'/>")
    cached = there.service.groups
    await there.enter(ada, "ada", names[0])
    monkeypatch.setattr(groups, "_CACHED", 44)  # four groups with one member each
    await there.make(ada, group="last@groups.localhost")
    kept = [group.jid for group in cached.all()]
    assert len(kept) == 4
    assert {names[0], "last@groups.localhost"} <= set(kept)
    for name in names:  # what has left is read again when it is needed
        group = await cached.load(name)
        assert group is not None
        assert group.members.get(ada.bare) is not None
    assert len(cached.all()) <= 5
