"""A store in a real file, with three accounts, and short words for what tests do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.store.sqlite import SQLiteStore
from tests.contract import logs as contract


class Logs(contract.Logs):
    """With a look into the tables."""

    store: SQLiteStore

    def __init__(self, store: SQLiteStore, path: Path) -> None:
        super().__init__(store)
        self.path = path

    async def stored(self, table: str) -> int:
        """Rows of a table, when all is settled."""
        await self.store.flush()
        return int(await self.store._read(lambda c: c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    path = tmp_path / "kith.sqlite"
    store = SQLiteStore(path)
    await store.open()
    logs = Logs(store, path)
    await logs.create()
    yield logs
    await store.close()
