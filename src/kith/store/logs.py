"""The tables of the logs: `kith.ports.store.LogStore`."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence

from kith.ports.store import Append, Entry, LogQuery, Outgoing, Page, Queued, Unavailable
from kith.store import conversations, log, outbox, shared
from kith.store.database import PATIENCE, Database
from kith.store.errors import StoreError

_ROWS = 500  # blocks other writers for some milliseconds


class Logs(Database):
    """The logs of all accounts. A message that is in several logs is stored once."""

    async def open(self, look_through: bool = True) -> None:
        await super().open(look_through)
        if look_through:
            self._finishing = asyncio.create_task(self._finish_removals())

    @property
    def waiting_bytes(self) -> int:
        return self._writer.waiting_bytes if self._writer is not None else 0

    def append(self, entry: Append) -> None:
        assert self._writer is not None
        self._writer.put(entry)

    async def last_id(self, slot: int) -> int:
        """The last id of all slots, since the tables do not say which slot an account is in."""
        return await self._write(log.last_id)

    async def stored(self, entry: Append) -> int | None:
        assert self._writer is not None
        appends = self._writer.transactions.appends
        return await self._write(lambda _: appends.existing(entry))

    async def page(self, query: LogQuery) -> Page:
        """Reads a page. Entries of ``query.ids`` that do not exist are left out."""
        await self._index(query)
        return await self._read(lambda connection: log.page(connection, query))

    async def peers(self, account: int) -> list[str]:
        await self._catch_up(account)
        return await self._read(lambda connection: conversations.peers(connection, account))

    async def _index(self, query: LogQuery) -> None:
        if query.peer is not None and query.ids is None:
            await self._catch_up(query.account)

    async def _catch_up(self, account: int) -> None:
        """Updates the index of conversations. If it can't be written, the query searches the log itself."""
        with contextlib.suppress(sqlite3.Error, StoreError, TimeoutError):
            while await self._read(lambda connection: conversations.is_behind(connection, account)):
                write = self._write(lambda connection: conversations.catch_up(connection, account))
                if await asyncio.wait_for(write, PATIENCE):
                    return

    async def owned(self, ids: Sequence[int]) -> dict[int, list[bytes]]:
        return await self._read(lambda connection: shared.owned(connection, log.as_json(ids)))

    async def count(self, query: LogQuery) -> int:
        await self._index(query)
        return await self._read(lambda connection: log.count(connection, query))

    async def bounds(self, account: int, shared: bool = False) -> tuple[int, int] | None:
        return await self._read(lambda connection: log.bounds(connection, account, shared))

    async def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None, shared: bool = False
    ) -> list[Entry]:
        return await self._read(
            lambda connection: log.undelivered(connection, account, after, limit, since, shared)
        )

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        late = list(late)
        assert self._marks is not None
        self._marks.add(lambda connection: log.mark_delivered(connection, account, upto, late))

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        ids = list(ids)
        assert self._marks is not None
        self._marks.add(lambda connection: log.mark_undelivered(connection, account, ids))

    async def outbox(self, slot: int | None, after: int, limit: int) -> list[Outgoing]:
        return await self._read(lambda connection: outbox.entries(connection, slot, after, limit))

    async def outbox_to(self, domain: str, after: int, limit: int) -> list[Outgoing]:
        return await self._read(lambda connection: outbox.entries_to(connection, domain, after, limit))

    async def outbox_sizes(self) -> list[Queued]:
        return await self._read(outbox.sizes)

    def handed_on(self, account: int, ids: Sequence[int]) -> None:
        ids = list(ids)
        self._queue(lambda connection: outbox.handed_on(connection, account, ids))

    def turned_away(self, account: int, ids: Sequence[int]) -> None:
        ids = list(ids)
        self._queue(lambda connection: outbox.turned_away(connection, account, ids))

    async def rewrite(self, id: int, stanza: bytes) -> None:
        await self._write(lambda connection: log.rewrite(connection, id, stanza))

    async def forget_origins(self, before: int) -> int:
        """Works in small transactions, and continues where it ended the last time."""
        total = 0
        while True:
            forgotten, done = await self._write(lambda connection: log.forget_origins(connection, before))
            total += forgotten
            if done:
                return total

    async def expire(self, before: int) -> int:
        """Works in small transactions, so that other writes get their turn."""
        await self.flush()  # readers do not see queued writes
        total = 0
        for account in await self._read(lambda connection: log.owners_before(connection, before)):
            after: int | None = 0
            while after is not None:
                removed, after = await self._write(_expire(account, after, before))
                total += removed
        return total

    async def empty_log(self, account: int) -> None:
        """Works in small transactions, so that other writes get their turn.

        Messages that arrive meanwhile are kept.
        """
        upto = await self._write(log.last_id)
        while await self._write(lambda connection: log.drop_some(connection, account, upto, _ROWS)):
            pass
        while await self._write(lambda connection: self._drop_shared(connection, account, upto)):
            pass

    def _drop_shared(self, connection: sqlite3.Connection, account: int, upto: int) -> bool:
        self._accounts_changed()
        return shared.drop_some(connection, account, upto, _ROWS)

    async def expire_shared(self, now: int) -> int:
        """Works in small transactions, so that other writes get their turn."""
        if not await self._read(lambda connection: shared.is_due(connection, now)):
            return 0

        def write(connection: sqlite3.Connection) -> int:
            groups = shared.due(connection, now, _ROWS)
            for group, ids in groups.items():
                log.drop(connection, group, ids)
            return sum(map(len, groups.values()))

        total = 0
        while removed := await self._write(write):
            total += removed
        return total

    async def audience(self, ids: Sequence[int]) -> list[int]:
        return await self._read(lambda connection: shared.audience(connection, ids))

    async def _finish_removals(self) -> None:
        """Finishes deletions that were interrupted."""
        with contextlib.suppress(StoreError, Unavailable, sqlite3.Error):  # the next start continues
            for account in await self._read(log.orphans):
                await self.empty_log(account)


def _expire(account: int, after: int, before: int) -> Callable[[sqlite3.Connection], tuple[int, int | None]]:
    return lambda connection: log.expire(connection, account, after, before, _ROWS)
