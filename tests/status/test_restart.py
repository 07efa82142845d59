"""What was acknowledged is there after a restart, and a retry from before it is not repeated."""

from __future__ import annotations

from pathlib import Path

from tests.status.there import conditions, kinds, statuses


async def test_a_retry_after_a_restart_is_not_repeated_and_can_still_be_deleted(tmp_path: Path) -> None:
    async with statuses(tmp_path) as there:
        ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
        await there.befriend("ada", "ben")
        await there.post(ada, "x", "ada", "ben")
    async with statuses(tmp_path) as there:
        ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
        assert conditions(await there.post(ada, "x", "ada", "ben")) == []
        assert kinds(there.heard(ben)) == []
        assert kinds(await there.log(ben)) == ["ada: x"]
        await there.retract(ada, "x")
        assert kinds(there.heard(ben)) == ["ada deletes x"]
