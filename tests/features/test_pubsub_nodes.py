"""The memory of nodes: bounded, and never ahead of the store."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.features.pubsub_config import NodeConfig
from kith.features.pubsub_nodes import Item, NodeCache
from kith.store.sqlite import SQLiteStore


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
    cache = NodeCache(store, accounts=3)
    for account in range(1, 11):
        await publish(cache, account, "n", str(account))
    assert len(cache._cache) <= 3
    assert [await ids(cache, account, "n") for account in range(1, 11)] == [[str(n)] for n in range(1, 11)]


async def test_memory_is_bounded_in_bytes(store: SQLiteStore) -> None:
    cache = NodeCache(store, size=300_000)
    for account in range(1, 30):
        await publish(cache, account, "n", "i", b"x" * 50_000)
        assert cache._bytes <= 300_000
    assert cache._bytes == sum(nodes.weight for nodes in cache._cache.values())
    for account in list(cache._cache):
        cache.drop(account)
    assert cache._bytes == 0


async def test_many_at_once_lose_nothing(store: SQLiteStore) -> None:
    cache = NodeCache(store, accounts=2)
    await asyncio.gather(
        *(publish(cache, account, "n", f"{number}") for account in range(1, 6) for number in range(20))
    )
    for account in range(1, 6):
        assert sorted(await ids(cache, account, "n"), key=int) == [str(number) for number in range(20)]
    fresh = NodeCache(store)
    for account in range(1, 6):
        assert await ids(fresh, account, "n") == await ids(cache, account, "n")


async def test_a_write_that_fails_is_not_shown(store: SQLiteStore, tmp_path: Path) -> None:
    cache = NodeCache(store)
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
    cache = NodeCache(store)
    await publish(cache, 1, "n", "old")
    async with cache.writing(1) as nodes:
        await nodes.delete(nodes["n"])
    await publish(cache, 1, "n", "new")
    assert await ids(NodeCache(store), 1, "n") == ["new"]
