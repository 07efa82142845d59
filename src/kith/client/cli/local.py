"""Reads an account's local history, also while another program has the account open."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self, cast

from kith.client.database import Database
from kith.client.errors import DataUnusable
from kith.client.history import History


class LocalHistory(History):
    """The history in an account's folder, to read. A context manager. Raises DataUnusable."""

    __slots__ = ("_sql",)

    def __init__(self, folder: Path) -> None:
        file = folder / "account.sqlite"
        if not file.exists():
            raise DataUnusable(f"There is no history in {folder}.")
        try:
            self._sql = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            self._sql.execute("SELECT author FROM messages LIMIT 1")
        except sqlite3.Error as error:
            raise DataUnusable(f"The history in {folder} can't be read: {error}.") from None
        super().__init__(cast("Database", _ReadOnly(self._sql)), None)

    def groups_named(self, name: str) -> list[str]:
        """The addresses of the groups with a name."""
        found = self._sql.execute("SELECT jid FROM groups WHERE lower(name) = lower(?)", (name,))
        return [str(jid) for (jid,) in found]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sql.close()


class _ReadOnly:
    """What a `History` that only reads needs of a `Database`."""

    __slots__ = ("sql",)

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql
