"""The end of an account: whoever is logged in is out at once, however much there is to remove.

The domain is in this process, and its disk takes as long as the test wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.core.routing.subscriptions import Subscriptions
from kith.core.sessions.removal import Removal
from kith.store.errors import Full
from tests.fuzz.world import World
from tests.parts import room


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.loop.close()


async def opened(world: World, name: str) -> Session:
    account = await world.domain.accounts.load("ada@localhost")
    assert account is not None
    session = Session(world.domain.sessions, account, account.address.with_resource(name), None)
    world.domain.sessions.open(session)
    return session


def test_sessions_end_before_the_log_is_emptied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave() -> None:
        emptied = asyncio.Event()

        async def empty_log(account: int) -> None:
            await emptied.wait()

        monkeypatch.setattr(world.domain.store, "empty_log", empty_log)
        asker, other = await opened(world, "asker"), await opened(world, "other")
        async with asyncio.timeout(25):
            await world.domain.get(Removal).remove(asker.account, (asker,))
        assert other.closed
        assert not asker.closed  # it is answered first
        assert await world.domain.store.account("ada@localhost") is None
        assert asker.closed
        emptied.set()
        await world.settle()

    world.do(leave())


def test_whom_an_operator_removes_is_out_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def remove() -> None:
        emptied = asyncio.Event()

        async def empty_log(account: int) -> None:
            await emptied.wait()

        monkeypatch.setattr(world.domain.store, "empty_log", empty_log)
        one, other = await opened(world, "one"), await opened(world, "other")
        async with asyncio.timeout(25):
            await world.domain.get(Removal).remove(one.account)
        assert one.closed
        assert other.closed
        emptied.set()
        await world.settle()

    world.do(remove())


def test_an_account_that_can_not_be_removed_now_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        async def delete_account(jid: str, ended: object) -> bool:
            raise Full("no room")

        monkeypatch.setattr(world.domain.store, "delete_account", delete_account)
        session = await opened(world, "one")
        with pytest.raises(Full):
            await world.domain.get(Removal).remove(session.account)
        assert not session.closed
        world.domain.sessions.close(session)

    world.do(fail())


async def test_contacts_learn_of_it_and_each_roster_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(tmp_path) as there:
        node = there.node
        ada = await there.session("ada/phone")
        friends = [await there.session(f"friend{number}/phone") for number in range(9)]
        for friend in friends:
            await node.get(Subscriptions).befriend("ada@localhost", friend.bare)
            friend.interested = True
        await there.settle()
        for session in (ada, *friends):
            there.heard(session)
        written: list[int] = []
        put = node.store.put

        async def counted(account: int, space: str, key: str, value: bytes) -> int:
            written.append(account)
            return await put(account, space, key, value)

        monkeypatch.setattr(node.store, "put", counted)
        await node.get(Removal).remove(ada.account)
        await there.settle()
        assert sorted(written) == sorted(friend.account.id for friend in friends)
        assert ada.closed
        for friend in friends:
            presences = [one for one in there.heard(friend) if one.kind == "presence"]
            assert [(one.attrs["from"], one.type) for one in presences] == [
                ("ada@localhost/phone", "unavailable"),
                ("ada@localhost", "unsubscribe"),
                ("ada@localhost", "unsubscribed"),
            ]
            item = (await node.accounts.roster(friend.bare))["ada@localhost"]
            assert (item.listed, item.to, item.from_) == (True, False, False)
