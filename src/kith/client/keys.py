"""Stores the OMEMO library's keys and sessions in the account's database."""

from __future__ import annotations

import json
from typing import Any

from omemo.storage import Just, Maybe, Nothing, Storage

from kith.client.database import Database


class KeyStorage(Storage):
    """The library's storage of key and value pairs. Writes become durable with the database's next commit."""

    def __init__(self, database: Database) -> None:
        super().__init__(disable_cache=True)  # so that a rollback undoes everything
        self._database = database

    async def _load(self, key: str) -> Maybe[Any]:
        row = self._database.sql.execute("SELECT value FROM keys WHERE key = ?", (key,)).fetchone()
        return Nothing() if row is None else Just(json.loads(row[0]))

    async def _store(self, key: str, value: Any) -> None:
        self._database.sql.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (key, json.dumps(value)))

    async def _delete(self, key: str) -> None:
        self._database.sql.execute("DELETE FROM keys WHERE key = ?", (key,))
