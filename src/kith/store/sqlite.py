"""The store of one machine: SQLite, WAL, full sync (`kith.ports.store.Store`)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kith.base.histogram import Commits
from kith.ports.store import (
    AccountRecord,
    Append,
    Document,
    Entry,
    Holdings,
    Keys,
    LogQuery,
    Page,
    Unavailable,
)
from kith.store import conversations, integrity, log
from kith.store.checkpoint import Checkpoints, empty_journal
from kith.store.connection import conclude, connect, prepare
from kith.store.errors import Damaged, StoreError, translated
from kith.store.files import Files
from kith.store.folder import check_domain
from kith.store.health import Health
from kith.store.integrity import Check
from kith.store.marks import Marks
from kith.store.reader import Readers
from kith.store.writer import Operation, Pending, Writer

_T = TypeVar("_T")
#: The thread that reads the whole database after a crash; the server can do without it.
CHECK_THREAD = "kith-check"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Keys]).decode
_PATIENCE = 2.0  # seconds that a reader waits for the writer to index
_EXPIRE_ROWS = 500  # some milliseconds of other writers' time
#: Seconds that emptying the journal waits for readers, and writers for it: it may fail and be tried again.
_TIDY_PATIENCE = 0.02


class SQLiteStore:
    """`kith.ports.store.Store` in one file. Another process may write to it at the same time.

    ``gather``: seconds that a commit waits for company, under load (`Writer`). ``busy``: seconds that a
    write waits for another process before it tries again; after three tries it fails with StoreError.
    ``may_create``: whether a database is made if there is none.
    ``domain``: whose accounts it has to hold, if any.
    What is wrong with the disk reaches the caller as `kith.ports.store.Unavailable`.
    """

    def __init__(
        self, path: Path, gather: float = 0.001, busy: float = 10.0, may_create: bool = True, domain: str = ""
    ) -> None:
        self._path = path
        self._gather = gather
        self._busy = busy
        self._may_create = may_create
        self._domain = domain
        self._files = Files(path)
        self.commits = Commits()
        self._writer: Writer | None = None
        self._connection: sqlite3.Connection | None = None
        self._readers: Readers | None = None
        self._health = Health()
        self._marks: Marks | None = None
        self._check = Check(path)
        self._checking: threading.Thread | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._version = 0
        self._changed = False
        self._settling: asyncio.Future[None] | None = None
        self._settling_from = 0  # how much was queued when that began

    async def open(self, look_through: bool = True) -> int:
        """Raises StoreError. If the last server did not close it, all of it is read, in the background.

        ``look_through``: False for a command beside a running server: that has not closed it either, and it
        finishes removals that were cut off.
        """
        loop = asyncio.get_running_loop()
        ended_well = integrity.ended_well(self._path)
        connection = await asyncio.to_thread(prepare, self._path, self._busy, self._may_create)
        if self._domain:
            try:
                check_domain(connection, self._domain)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._files = Files(self._path)  # those of an earlier opening may have been others
        checkpoints = Checkpoints(lambda: connect(self._path, self._busy))
        self._writer = Writer(
            connection, loop, self._health, self.commits, self._files, checkpoints, self._gather
        )
        self._marks = Marks(self._writer, self._health)
        self._readers = Readers(self._connect, loop)
        if look_through and not ended_well:
            self._checking = threading.Thread(target=self._look_through, name=CHECK_THREAD, daemon=True)
            self._checking.start()
        if look_through:
            self._finishing = asyncio.create_task(self._finish_removals())
        self._version = await self._write(_data_version)
        return await self._write(_last_id)

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._connection is None:
            return
        if self._finishing is not None:
            self._finishing.cancel()
            await asyncio.gather(self._finishing, return_exceptions=True)
        self._check.stop()
        if self._checking is not None:  # it has the files open
            await asyncio.to_thread(self._checking.join, _PATIENCE)
        await asyncio.to_thread(writer.close)
        if self._readers is not None:
            await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(conclude, self._connection)
        await asyncio.sleep(0)  # what the last commit answers is still in the loop's queue

    async def settled(self) -> None:
        """Who asks after the same write waits for the same: asking is no new write to be waited for."""
        writer = self._writer
        assert writer is not None
        if writer.idle:
            return
        if self._settling is None or self._settling_from != writer.asked:
            self._settling = asyncio.get_running_loop().create_future()
            writer.put(Pending(_nothing, self._settling))
            self._settling_from = writer.asked
        await asyncio.shield(self._settling)

    def _look_through(self) -> None:
        """A power cut can leave more behind than what was not synced."""
        for problem in self._check.run()[:1]:
            self._health.damaged(Damaged(problem))

    @property
    def waiting(self) -> int:
        return self._writer.waiting if self._writer is not None else 0

    async def holdings(self) -> Holdings:
        accounts, undelivered = await self._read(log.undelivered_of_all)
        journal = self._path.with_name(f"{self._path.name}-wal")
        sizes = [file.stat().st_size if file.exists() else 0 for file in (self._path, journal)]
        return Holdings(accounts, undelivered, *sizes)

    # -- how ------------------------------------------------------------------------------------------

    async def _write(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._writer is not None
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._writer.put(Pending(operation, future))
        return await future

    def _queue(self, operation: Operation) -> None:
        assert self._writer is not None
        self._writer.put(Pending(operation, None))

    async def _read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._readers is not None
        try:
            return await self._readers.read(query)
        except sqlite3.Error as error:
            failure = translated(error)
            if isinstance(failure, Unavailable):
                self._health.unreadable(failure)
            raise failure from error

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, self._busy)
        try:
            connection.execute("PRAGMA query_only = ON")
            self._files.check()
        except BaseException:
            connection.close()
            raise
        return connection

    # -- accounts -------------------------------------------------------------------------------------

    async def account(self, jid: str) -> AccountRecord | None:
        return await self._read(lambda connection: _account(connection, jid))

    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        def read(connection: sqlite3.Connection) -> tuple[AccountRecord | None, Document | None]:
            record = _account(connection, jid)
            id = record.id if record is not None else 0
            return record, _document(connection, id, space, key(id))

        return await self._read(read)

    async def accounts(self) -> list[str]:
        return await self._read(
            lambda connection: [row[0] for row in connection.execute("SELECT jid FROM account ORDER BY jid")]
        )

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        rows = [(jid, _encode(keys)) for jid, keys in accounts]

        def write(connection: sqlite3.Connection) -> list[str]:
            last = _last_id(connection)
            created = []
            for jid, keys in rows:
                cursor = connection.execute(
                    "INSERT OR IGNORE INTO account (jid, keys, delivered) VALUES (?, ?, ?)", (jid, keys, last)
                )
                if cursor.rowcount:
                    created.append(jid)
            return created

        return await self._write(write)

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        blob = _encode(keys)
        return await self._write(
            lambda connection: bool(
                connection.execute("UPDATE account SET keys = ? WHERE jid = ?", (blob, jid)).rowcount
            )
        )

    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        values = _encode(keys), jid, _encode(was)
        statement = "UPDATE account SET keys = ? WHERE jid = ? AND keys = ?"
        return await self._write(lambda connection: bool(connection.execute(statement, values).rowcount))

    async def rename_account(self, jid: str, new: str) -> bool:
        def write(connection: sqlite3.Connection) -> bool:
            if connection.execute("SELECT 1 FROM account WHERE jid = ?", (new,)).fetchone():
                return False
            if not connection.execute("UPDATE account SET jid = ? WHERE jid = ?", (new, jid)).rowcount:
                return False
            values = (jid, _encode({}), _last_id(connection))
            connection.execute("INSERT INTO account (jid, keys, delivered) VALUES (?, ?, ?)", values)
            return True

        return await self._write(write)

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        """The account ends in one commit, its log in small ones, with the next start if it is cut off."""

        def write(connection: sqlite3.Connection) -> int | None:
            row = connection.execute("SELECT id FROM account WHERE jid = ?", (jid,)).fetchone()
            if row is None:
                return None
            connection.execute("DELETE FROM document WHERE account = ?", row)
            connection.execute("DELETE FROM account WHERE id = ?", row)
            return int(row[0])

        account = await self._write(write)
        if account is None:
            return False
        if ended is not None:
            await ended()
        await self.empty_log(account)
        return True

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

    async def empty_log(self, account: int) -> None:
        """In small transactions, so that others get their turn, however much there is.

        What comes meanwhile stays.
        """
        upto = await self._write(_last_id)
        while await self._write(lambda connection: log.drop_some(connection, account, upto, _EXPIRE_ROWS)):
            pass

    async def _finish_removals(self) -> None:
        with contextlib.suppress(StoreError, Unavailable, sqlite3.Error):  # with the next start, then
            for account in await self._read(log.orphans):
                await self.empty_log(account)

    # -- the log --------------------------------------------------------------------------------------

    @property
    def waiting_bytes(self) -> int:
        return self._writer.waiting_bytes if self._writer is not None else 0

    def append(self, entry: Append) -> None:
        assert self._writer is not None
        self._writer.put(entry)

    async def page(self, query: LogQuery) -> Page:
        """Entries that ``query.ids`` names and the log does not have are left out."""
        await self._index(query)
        return await self._read(lambda connection: log.page(connection, query))

    async def peers(self, account: int) -> list[str]:
        await self._catch_up(account)
        return await self._read(lambda connection: conversations.peers(connection, account))

    async def _index(self, query: LogQuery) -> None:
        if query.peer is not None and query.ids is None:
            await self._catch_up(query.account)

    async def _catch_up(self, account: int) -> None:
        """Lets the index of conversations catch up. If it can't be written, the log is looked through."""
        with contextlib.suppress(sqlite3.Error, StoreError, TimeoutError):
            while await self._read(lambda connection: conversations.is_behind(connection, account)):
                write = self._write(lambda connection: conversations.catch_up(connection, account))
                if await asyncio.wait_for(write, _PATIENCE):
                    return

    async def count(self, query: LogQuery) -> int:
        await self._index(query)
        return await self._read(lambda connection: log.count(connection, query))

    async def bounds(self, account: int) -> tuple[int, int] | None:
        return await self._read(lambda connection: log.bounds(connection, account))

    async def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None
    ) -> list[Entry]:
        return await self._read(lambda connection: log.undelivered(connection, account, after, limit, since))

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        late = list(late)
        assert self._marks is not None
        self._marks.add(lambda connection: log.mark_delivered(connection, account, upto, late))

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        ids = list(ids)
        assert self._marks is not None
        self._marks.add(lambda connection: log.mark_undelivered(connection, account, ids))

    async def rewrite(self, id: int, stanza: bytes) -> None:
        await self._write(
            lambda connection: connection.execute("UPDATE message SET stanza = ? WHERE id = ?", (stanza, id))
        )

    async def forget_origins(self, before: int) -> int:
        """In small transactions, from where it ended the last time."""
        total = 0
        while True:
            forgotten, done = await self._write(lambda connection: log.forget_origins(connection, before))
            total += forgotten
            if done:
                return total

    async def expire(self, before: int) -> int:
        """In small transactions, so that others get their turn."""
        await self.settled()  # readers do not see what is only queued
        total = 0
        for account in await self._read(lambda connection: log.owners_before(connection, before)):
            after: int | None = 0
            while after is not None:
                removed, after = await self._write(_expire(account, after, before))
                total += removed
        return total

    # -- documents ------------------------------------------------------------------------------------

    async def documents(self, account: int, space: str) -> list[Document]:
        return await self._read(
            lambda connection: [
                Document(*row)
                for row in connection.execute(
                    "SELECT key, value, seq FROM document WHERE account = ? AND space = ? ORDER BY seq",
                    (account, space),
                )
            ]
        )

    async def document(self, account: int, space: str, key: str) -> Document | None:
        return await self._read(lambda connection: _document(connection, account, space, key))

    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        return await self._write(lambda connection: _put(connection, account, space, key, value))

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        assert self._writer is not None
        self._writer.put(Pending(lambda connection: _put(connection, account, space, key, value), None))

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        def write(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                "SELECT seq FROM document WHERE account = ? AND space = ? AND key = ?", (account, space, key)
            ).fetchone()
            return _put(connection, account, space, key, value) if (row[0] if row else 0) == seq else 0

        return await self._write(write)

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        statement = "DELETE FROM document WHERE account = ? AND space = ?"
        values: tuple[Any, ...] = (account, space)
        if key is not None:
            statement, values = statement + " AND key = ?", (*values, key)
        return await self._write(lambda connection: connection.execute(statement, values).rowcount)

    async def spaces(self, account: int, prefix: str) -> list[str]:
        return await self._read(
            lambda connection: [
                row[0]
                for row in connection.execute(
                    "SELECT DISTINCT space FROM document WHERE account = ? AND space >= ? AND space < ? "
                    "ORDER BY space",
                    (account, prefix, prefix + "\U0010ffff"),
                )
            ]
        )

    def watch(self) -> None:
        self._health.watch()
        if self._marks is not None and self._health.failing:
            self._marks.write()

    def changed_elsewhere(self) -> bool:
        """Whether the last look found something; looks again behind what is queued, for the next call."""
        changed, self._changed = self._changed, False
        self._queue(self._look)
        return changed

    def _look(self, connection: sqlite3.Connection) -> None:
        """What another process has done. Raises Removed if the files are gone; the operator is told."""
        self._files.check()
        version = _data_version(connection)
        if version != self._version:
            self._version = version
            self._changed = True


def _nothing(connection: sqlite3.Connection) -> None:
    """What is queued to learn when all before it is committed."""


def _account(connection: sqlite3.Connection, jid: str) -> AccountRecord | None:
    found = connection.execute("SELECT id, jid, keys, delivered FROM account WHERE jid = ?", (jid,))
    row = found.fetchone()
    return AccountRecord(row[0], row[1], _decode(row[2]), row[3]) if row else None


def _document(connection: sqlite3.Connection, account: int, space: str, key: str) -> Document | None:
    row = connection.execute(
        "SELECT key, value, seq FROM document WHERE account = ? AND space = ? AND key = ?",
        (account, space, key),
    ).fetchone()
    return Document(*row) if row else None


def _put(connection: sqlite3.Connection, account: int, space: str, key: str, value: bytes) -> int:
    (seq,) = connection.execute(
        "UPDATE counter SET value = value + 1 WHERE name = 'document' RETURNING value"
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", (account, space, key, value, seq)
    )
    return int(seq)


def _data_version(connection: sqlite3.Connection) -> int:
    """On the writing connection this counts the commits of all others."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _last_id(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
    return int(last)


def _expire(account: int, after: int, before: int) -> Callable[[sqlite3.Connection], tuple[int, int | None]]:
    return lambda connection: log.expire(connection, account, after, before, _EXPIRE_ROWS)
