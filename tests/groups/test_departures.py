"""Accounts that are removed, or that get another address, and their groups."""

from __future__ import annotations

from pathlib import Path

from kith.core.sessions.removal import Removal
from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.service import GroupService
from kith.ports.store import DEPARTURES
from tests.groups.there import GROUP, There, conditions, groups
from tests.parts import DOMAIN


async def group(there: There, jid: str = GROUP) -> Group:
    found = await there.node.get(GroupService).groups.load(jid)
    assert found is not None
    return found


def people(found: Group) -> dict[str, str]:
    return {member.jid.partition("@")[0]: member.affiliation.word for member in found.members}


async def trio(there: There) -> None:
    ada, _, _ = [await there.person(f"{name}/phone") for name in ("ada", "ben", "cyd")]
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    await there.affiliate(ada, {"cyd": "admin"})


async def test_a_removed_account_leaves_and_the_next_admin_owns_the_group(there: There) -> None:
    await trio(there)
    account = await there.node.accounts.load(f"ada@{DOMAIN}")
    assert account is not None
    await there.node.get(Removal).remove(account)
    await there.room.settle()
    assert people(await group(there)) == {"ben": "member", "cyd": "owner"}
    assert await there.node.store.documents(0, DEPARTURES) == []
    again = await there.person("ada/new")
    assert conditions(await there.enter(again, "ada")) == ["registration-required"]


async def test_a_group_whose_last_member_is_removed_ends(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    await there.node.get(Removal).remove(ada.account)
    await there.room.settle()
    assert await there.node.get(GroupService).groups.load(GROUP) is None


async def test_it_leaves_at_the_next_start_if_it_is_removed_while_the_server_is_down(tmp_path: Path) -> None:
    async with groups(tmp_path) as there:
        await trio(there)
        await there.node.store.delete_account(f"ada@{DOMAIN}")  # as `kith user remove` does
    async with groups(tmp_path) as there:
        await there.room.settle()
        assert people(await group(there)) == {"ben": "member", "cyd": "owner"}


async def test_who_gets_a_new_address_keeps_the_place_and_the_history(there: There) -> None:
    await trio(there)
    ben = there.node.accounts.sessions(f"ben@{DOMAIN}")[0]
    await there.write(ben, "before")
    store, hooks = there.node.store, there.node.hooks
    there.node.sessions.end(ben)
    assert await store.rename_account(f"ben@{DOMAIN}", f"benjamin@{DOMAIN}")
    there.node.accounts.drop(ben.account)
    there.node.accounts.appeared(f"benjamin@{DOMAIN}")
    new, stub = [await there.node.accounts.load(f"{name}@{DOMAIN}") for name in ("benjamin", "ben")]
    assert new is not None
    assert stub is not None
    for _ in range(2):
        await hooks.account_moved(new, stub)
    found = await group(there)
    assert people(found) == {"ada": "owner", "benjamin": "member", "cyd": "admin"}
    assert found.members.with_nick("ben") == f"benjamin@{DOMAIN}"
    ada = there.node.accounts.sessions(f"ada@{DOMAIN}")[0]
    await there.write(ada, "after")
    assert await there.log("benjamin") == ["before", "after"]
    assert await there.log("ben") == []
    assert found.members.affiliation(f"ben@{DOMAIN}") is Affiliation.NONE
