"""The memory of nodes: bounded, and never ahead of the store."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from kith.base.clock import Clock
from kith.features.pubsub.cache import NodeCache
from kith.features.pubsub.config import NodeConfig
from kith.features.pubsub.nodes import Item
from kith.store.sqlite import SQLiteStore
from kith.wire.errors import StanzaError

CLOCK = Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    opened = SQLiteStore(tmp_path / "kith.sqlite")
    await opened.open()
    yield opened
    await opened.close()


async def publish(cache: NodeCache, account: int, name: str, id: str, payload: bytes = b"<p/>") -> None:
    async with cache.writing(account) as nodes:
        node = nodes.nodes.get(name) or await nodes.create(name, NodeConfig(max_items=100))
        await nodes.put(node, id, Item(0.0, payload))


async def ids(cache: NodeCache, account: int, name: str) -> list[str]:
    nodes = await cache.load(account)
    return list(await cache.items(nodes, nodes[name]))


async def test_what_left_memory_is_read_again(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK, accounts=3)
    for account in range(1, 11):
        await publish(cache, account, "n", str(account))
    assert len(cache._cache) <= 3
    assert [await ids(cache, account, "n") for account in range(1, 11)] == [[str(n)] for n in range(1, 11)]


async def test_memory_is_bounded_in_bytes(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK, size=300_000)
    for account in range(1, 30):
        await publish(cache, account, "n", "i", b"x" * 50_000)
        assert cache._bytes <= 300_000
    assert cache._bytes == sum(nodes.weight for nodes in cache._cache.values())
    for account in list(cache._cache):
        cache.drop(account)
    assert cache._bytes == 0


async def test_an_account_with_very_much_does_not_drive_out_the_others(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK, size=400_000)
    await publish(cache, 1, "n", "small")
    for number in range(12):
        await publish(cache, 2, f"n{number}", "big", b"x" * 60_000)
    for number in range(12):
        assert await ids(cache, 2, f"n{number}") == ["big"]
        assert cache._bytes <= 200_000
    assert 1 in cache._cache
    assert [await ids(cache, 1, "n"), len((await cache.load(2)).nodes)] == [["small"], 12]


async def test_what_is_kept_of_a_node_is_bounded(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK)
    await publish(cache, 1, "n", "i")
    async with cache.writing(1) as nodes:
        record = nodes["n"].record
        members = {f"{number:0500}@example.org": "member" for number in range(1000)}
        with pytest.raises(StanzaError, match="resource-constraint"):
            await nodes.save(nodes["n"], msgspec.structs.replace(record, affiliations=members))
        assert nodes["n"].record == record


async def test_the_weight_is_that_of_what_is_there(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK)
    for number in range(150):
        await publish(cache, 1, "n", str(number % 120), b"x" * number)
    async with cache.writing(1) as nodes:
        await nodes.remove(nodes["n"], ["7", "29"])
        await nodes.save(nodes["n"], msgspec.structs.replace(nodes["n"].record, subscribers=["a@b"]))
    fresh = await (other := NodeCache(store, CLOCK)).load(1)
    await other.items(fresh, fresh["n"])
    assert fresh.weight == (await cache.load(1)).weight > 0


async def test_many_at_once_lose_nothing(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK, accounts=2)
    await asyncio.gather(
        *(publish(cache, account, "n", f"{number}") for account in range(1, 6) for number in range(20))
    )
    for account in range(1, 6):
        assert sorted(await ids(cache, account, "n"), key=int) == [str(number) for number in range(20)]
    fresh = NodeCache(store, CLOCK)
    for account in range(1, 6):
        assert await ids(fresh, account, "n") == await ids(cache, account, "n")


async def test_a_write_that_fails_is_not_shown(store: SQLiteStore, tmp_path: Path) -> None:
    cache = NodeCache(store, CLOCK)
    await publish(cache, 1, "n", "kept")
    with sqlite3.connect(tmp_path / "kith.sqlite") as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON document BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    with pytest.raises(Exception, match="refused"):
        await publish(cache, 1, "n", "lost")
    assert await ids(cache, 1, "n") == ["kept"]
    with sqlite3.connect(tmp_path / "kith.sqlite") as other:
        other.execute("DROP TRIGGER refuse")
    await publish(cache, 1, "n", "later")
    assert await ids(cache, 1, "n") == ["kept", "later"]


async def test_a_deleted_node_comes_back_empty(store: SQLiteStore) -> None:
    cache = NodeCache(store, CLOCK)
    await publish(cache, 1, "n", "old")
    async with cache.writing(1) as nodes:
        await nodes.delete(nodes["n"])
    await publish(cache, 1, "n", "new")
    assert await ids(NodeCache(store, CLOCK), 1, "n") == ["new"]
