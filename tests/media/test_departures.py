"""An account that is removed takes its claims with it; one that moves to another number keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.media.departures import Departures
from kith.media.requests import GetOwners, Owners, Rename
from kith.store.sqlite import SQLiteStore
from tests.conftest import RunningServer
from tests.media.conftest import serving
from tests.media.desk import Desk
from tests.media.desk import desk as open_desk
from tests.media.uploading import Uploader


@pytest.fixture(params=["local", "remote"])
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path / "media", request.param) as made:
        yield made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    await store.create_accounts([(f"{name}@localhost", {}) for name in ("ada", "ben", "eve")])
    yield store
    await store.close()


async def owners(desk: Desk) -> set[str]:
    answer = await desk.media.ask(GetOwners())
    assert isinstance(answer, Owners)
    return {address for _, address in answer.owners}


async def test_who_is_gone_is_found_however_it_happened(desk: Desk, store: SQLiteStore) -> None:
    """By its id, which no other account gets, and which stays when the address changes."""
    ids = {}
    for name in ("ada", "ben", "eve"):
        record = await store.account(f"{name}@localhost")
        assert record is not None
        ids[name] = str(record.id)
        await desk.upload(ids[name])
        await desk.media.ask(Rename(ids[name], f"{name}@localhost"))
    departures = Departures(desk.media, store)
    await departures.look()
    assert await owners(desk) == {"ada@localhost", "ben@localhost", "eve@localhost"}
    # ada has moved, and the media server was not told; ben is gone, and somebody else has the name
    assert await store.rename_account("ada@localhost", "countess@localhost")
    await store.delete_account("ben@localhost")
    await store.create_accounts([("ben@localhost", {})])
    await departures.look_at("ada@localhost")
    assert await owners(desk) == {"ada@localhost", "ben@localhost", "eve@localhost"}
    await departures.look()
    assert await owners(desk) == {"ada@localhost", "eve@localhost"}
    assert (await desk.usage(ids["ada"])).bytes == 1000


async def used(media: RunningServer) -> str:
    return await asyncio.to_thread(lambda: media.kith("media", "usage").stdout)


async def test_who_deletes_the_account_gives_up_all_files(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as media:
        for name in ("ada", "ben"):
            await Uploader(media, name).put(b"x" * 1000)
        assert "ada@localhost" in await used(media)
        answer = await Uploader(media, "ada").ask(
            "set", "<query xmlns='jabber:iq:register'><remove/></query>", "localhost"
        )
        assert answer.get("type") == "result"
        media.kith("user", "remove", "ben@localhost", "--yes")
        async with asyncio.timeout(60):
            while media.log.read_text().count("claims of removed accounts have ended") < 2:
                await asyncio.sleep(0.05)
        assert "@localhost" not in await used(media)
