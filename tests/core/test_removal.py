"""The end of an account: whoever is logged in is out at once, however much there is to remove.

The domain is in this process, and its disk takes as long as the test wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kith.core.actors.account import Session
from kith.core.sessions.removal import Removal
from kith.store.errors import Full
from tests.fuzz.world import World


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
            await world.domain.get(Removal).remove_soon(asker.account, (asker,))
        assert other.closed
        assert not asker.closed  # it is answered first
        assert await world.domain.store.account("ada@localhost") is None
        await world.domain.get(Removal).forget(asker.account)
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
            await world.domain.get(Removal).remove_soon(one.account)
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
            await world.domain.get(Removal).remove_soon(session.account)
        assert not session.closed
        world.domain.sessions.close(session)

    world.do(fail())
