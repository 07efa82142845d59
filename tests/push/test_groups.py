"""Messages of groups wake members' devices, also those of accounts that nobody has used for a while."""

from __future__ import annotations

from pathlib import Path

from kith.groups import ALL
from kith.groups.service import GroupService
from tests.clocks import SetClock
from tests.groups.there import GROUP, There
from tests.push.night import SOON, Night, night


async def group(n: Night) -> There:
    """A group of ada, ben and cyd, in which they can write without entering."""
    there = There(n.there)
    ada = await there.person("ada/desktop", receives=True)
    for name in ("ben", "cyd"):
        await n.there.session(f"{name}/desktop")
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member", "cyd": "member"})
    return there


async def test_the_members_of_a_group_are_woken_but_not_the_author(tmp_path: Path) -> None:
    async with night(tmp_path, *ALL) as n:
        there = await group(n)
        for name in ("ada", "ben", "cyd"):
            await n.sleeper(f"{name}/phone")
            await n.leaves(n.there.node.accounts.sessions(f"{name}@localhost")[0])
        ada = await there.person("ada/desktop", receives=True)
        ben_account = n.there.node.accounts.get("ben@localhost")
        assert ben_account is not None
        n.there.node.accounts.drop(ben_account)  # nobody has used it for a while
        await there.write(ada, "hello")
        await n.passes()
        assert sorted(n.carrier.woken) == ["ben/phone", "cyd/phone"]


async def test_what_was_read_in_the_group_on_another_device_wakes_nobody(tmp_path: Path) -> None:
    async with night(tmp_path, *ALL) as n:
        there = await group(n)
        await n.sleeper("ben/phone")
        ben = await there.person("ben/desktop2", receives=True)
        ada = await there.person("ada/laptop", receives=True)
        await there.write(ada, "hello")
        id = next(
            e.get("id", "")
            for one in there.heard(ben)
            for e in one.element.iter("{urn:xmpp:sid:0}stanza-id")
            if e.get("by") == GROUP
        )
        service = n.there.node.get(GroupService)
        assert service.receipts.readers
        await there.says(
            ben,
            f"<message type='groupchat' to='{GROUP}'>"
            f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/></message>",
        )
        await n.passes()
        assert n.carrier.woken == []


async def test_what_a_group_has_shared_before_a_kill_is_pushed_after_it(tmp_path: Path) -> None:
    clock = SetClock()
    async with night(tmp_path, *ALL, clock=clock) as n:
        there = await group(n)
        for name in ("ada", "ben"):
            await n.sleeper(f"{name}/phone")
        ada = await there.person("ada/laptop", receives=True)
        n.pushing.wake = lambda *what: None  # type: ignore[method-assign]  # killed before it does
        n.pushing.changed = lambda *what: None  # type: ignore[method-assign]
        await there.write(ada, "hello")
    async with night(tmp_path, *ALL, clock=clock) as n:
        await n.passes(SOON)
        assert n.carrier.woken == ["ben/phone"]  # not ada, who has written it


async def test_a_private_message_in_a_group_wakes_its_recipient(tmp_path: Path) -> None:
    async with night(tmp_path, *ALL) as n:
        there = await group(n)
        await n.sleeper("ben/phone")
        await n.leaves(n.there.node.accounts.sessions("ben@localhost")[0])
        ada = await there.person("ada/laptop", receives=True)
        service = n.there.node.get(GroupService)
        tea = await service.groups.load(GROUP)
        assert tea is not None
        member = tea.members.get("ben@localhost")
        assert member is not None
        await there.says(
            ada, f"<presence to='{GROUP}/ada2'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        await there.says(
            ada,
            f"<message type='chat' id='p' to='{GROUP}/{member.nick or 'ben'}'><body>hi</body></message>",
        )
        await n.passes()
        assert n.carrier.woken == ["ben/phone"]
