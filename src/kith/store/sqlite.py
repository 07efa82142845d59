"""The store of one machine: SQLite, WAL, full sync (`kith.ports.store.Store`)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from kith.ports.store import Holdings
from kith.store import log
from kith.store.accounts import Accounts
from kith.store.checkpoint import empty_journal
from kith.store.connection import connect
from kith.store.documents import Documents
from kith.store.logs import Logs

#: Seconds that emptying the journal waits for readers, and writers for it: it may fail and be tried again.
_TIDY_PATIENCE = 0.02


class SQLiteStore(Logs, Accounts, Documents):
    """`kith.ports.store.Store` in one file, which holds the accounts of every slot."""

    async def holdings(self) -> Holdings:
        accounts, undelivered = await self._read(log.undelivered_of_all)
        journal = self._path.with_name(f"{self._path.name}-wal")
        sizes = [file.stat().st_size if file.exists() else 0 for file in (self._path, journal)]
        return Holdings(accounts, undelivered, *sizes)

    async def tidy(self) -> bool:
        """What was removed is zeroed in the database (secure_delete), and here in the WAL beside it.

        False if somebody is reading, a backup for example: writers do not wait for that, so try again later.
        """
        return await asyncio.to_thread(self._tidy)

    def _tidy(self) -> bool:
        try:
            with closing(connect(self._path, _TIDY_PATIENCE)) as connection:
                return empty_journal(connection)
        except sqlite3.OperationalError:
            return False
