"""The SQLite store, for a single machine (`kith.ports.store.Store`)."""

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
from kith.store.survey import Survey

#: How long emptying the journal waits for readers, and blocks writers, in seconds. It can be tried again.
_TIDY_PATIENCE = 0.02


class SQLiteStore(Accounts, Documents, Survey):
    """A `kith.ports.store.Store` in one SQLite file (WAL, full sync), for the accounts of all slots."""

    async def holdings(self) -> Holdings:
        accounts, undelivered = await self._read(log.undelivered_of_all)
        journal = self._path.with_name(f"{self._path.name}-wal")
        sizes = [file.stat().st_size if file.exists() else 0 for file in (self._path, journal)]
        return Holdings(accounts, undelivered, *sizes)

    async def tidy(self) -> bool:
        """Empties the journal (WAL). In the database, deleted data is overwritten at once (secure_delete).

        Returns False if somebody is reading, for example a backup: writers do not wait for that, so try
        again later.
        """
        return await asyncio.to_thread(self._tidy)

    def _tidy(self) -> bool:
        try:
            with closing(connect(self._path, _TIDY_PATIENCE)) as connection:
                return empty_journal(connection)
        except sqlite3.OperationalError:
            return False
