"""The store of one machine: SQLite, WAL, full sync (`kith.core.ports.Store`)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kith.core.ports import (
    INCOMING,
    UNARCHIVED,
    UNDELIVERED,
    AccountRecord,
    Append,
    Document,
    Entry,
    Keys,
    LogQuery,
    Page,
)
from kith.store.errors import StoreError
from kith.store.schema import migrate
from kith.store.writer import Operation, Pending, Writer

_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Keys]).decode
_BUSY_SECONDS = 10
_EXPIRE_ROWS = 2000


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    return connection


class SQLiteStore:
    """`kith.core.ports.Store` in one file. Another process may write to it at the same time.

    ``gather``: seconds that a commit waits for company.
    """

    def __init__(self, path: Path, gather: float = 0.0) -> None:
        self._path = path
        self._gather = gather
        self._writer: Writer | None = None
        self._connection: sqlite3.Connection | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._watch: sqlite3.Connection | None = None
        self._seen = (0, 0)

    async def open(self) -> int:
        """Raises StoreError."""
        loop = asyncio.get_running_loop()
        connection, last = await asyncio.to_thread(self._open)
        self._connection = connection
        self._writer = Writer(connection, loop, self._gather)
        self._readers = ThreadPoolExecutor(2, "kith-read")
        self._seen = await self._write(_versions)
        return last

    def _open(self) -> tuple[sqlite3.Connection, int]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = _connect(self._path)
            migrate(connection)
            self._path.chmod(0o600)
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"can't use the database {self._path}: {error}") from error
        return connection, last

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._connection is None:
            return
        await asyncio.to_thread(writer.close)
        if self._readers is not None:
            self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        await asyncio.sleep(0)  # what the last commit answers is still in the loop's queue

    async def settled(self) -> None:
        await self._write(lambda _: None)

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
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run_read, query)

    def _run_read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            self._reading.append(connection)
        return query(connection)

    # -- accounts -------------------------------------------------------------------------------------

    async def account(self, jid: str) -> AccountRecord | None:
        def read(connection: sqlite3.Connection) -> AccountRecord | None:
            row = connection.execute(
                "SELECT id, jid, keys, delivered FROM account WHERE jid = ?", (jid,)
            ).fetchone()
            return AccountRecord(row[0], row[1], _decode(row[2]), row[3]) if row else None

        return await self._read(read)

    async def accounts(self) -> list[str]:
        return await self._read(
            lambda connection: [row[0] for row in connection.execute("SELECT jid FROM account ORDER BY jid")]
        )

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        rows = [(jid, _encode(keys)) for jid, keys in accounts]

        def write(connection: sqlite3.Connection) -> list[str]:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
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

    async def delete_account(self, jid: str) -> bool:
        def write(connection: sqlite3.Connection) -> bool:
            row = connection.execute("SELECT id FROM account WHERE jid = ?", (jid,)).fetchone()
            if row is None:
                return False
            gone = connection.execute("SELECT id, peer FROM log WHERE account = ?", row).fetchall()
            connection.execute("DELETE FROM log WHERE account = ?", row)
            _forget_messages(connection, gone)
            connection.execute("DELETE FROM document WHERE account = ?", row)
            connection.execute("DELETE FROM account WHERE id = ?", row)
            return True

        return await self._write(write)

    # -- the log --------------------------------------------------------------------------------------

    def append(self, entry: Append) -> None:
        assert self._writer is not None
        self._writer.put(entry)

    async def page(self, query: LogQuery) -> Page:
        where, values = _where(query)
        order = "DESC" if query.backwards else "ASC"
        statement = (
            f"SELECT log.id, message.stanza, log.flags FROM log JOIN message USING (id) WHERE {where} "
            f"ORDER BY log.id {order} LIMIT ?"
        )

        def read(connection: sqlite3.Connection) -> Page:
            rows = connection.execute(statement, (*values, query.limit + 1)).fetchall()
            complete = len(rows) <= query.limit
            entries = [Entry(*row) for row in rows[: query.limit]]
            if query.backwards:
                entries.reverse()
            return Page(entries, complete)

        return await self._read(read)

    async def count(self, query: LogQuery) -> int:
        where, values = _where(query)

        def read(connection: sqlite3.Connection) -> int:
            (count,) = connection.execute(f"SELECT count(*) FROM log WHERE {where}", values).fetchone()
            return int(count)

        return await self._read(read)

    async def bounds(self, account: int) -> tuple[int, int] | None:
        def read(connection: sqlite3.Connection) -> tuple[int, int] | None:
            ends = [
                connection.execute(
                    f"SELECT id FROM log WHERE account = ? AND NOT flags & ? ORDER BY id {order} LIMIT 1",
                    (account, UNARCHIVED),
                ).fetchone()
                for order in ("ASC", "DESC")
            ]
            return (ends[0][0], ends[1][0]) if ends[0] and ends[1] else None

        return await self._read(read)

    async def undelivered(self, account: int, after: int, limit: int) -> list[Entry]:
        def read(connection: sqlite3.Connection) -> list[Entry]:
            row = connection.execute("SELECT delivered FROM account WHERE id = ?", (account,)).fetchone()
            if row is None:
                return []
            rows = connection.execute(
                "SELECT id, stanza, flags FROM ("
                "SELECT id, flags FROM log WHERE account = :account AND id > max(:after, :mark) "
                "AND flags & :incoming UNION SELECT id, flags FROM log WHERE account = :account "
                "AND id > :after AND flags >= 4 ORDER BY id LIMIT :limit) "
                "JOIN message USING (id) ORDER BY id",
                {"account": account, "after": after, "mark": row[0], "incoming": INCOMING, "limit": limit},
            )
            return [Entry(*row) for row in rows]

        return await self._read(read)

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        late = list(late)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE account SET delivered = max(delivered, ?) WHERE id = ?", (upto, account)
            )
            if late:
                connection.executemany(
                    "UPDATE log SET flags = flags & ? WHERE account = ? AND id = ?",
                    [(~UNDELIVERED, account, id) for id in late],
                )
            # what was kept for delivery only has done its work
            done = connection.execute(
                "SELECT id, peer FROM log WHERE account = ? AND id <= ? "
                "AND flags IN (2, 3, 6, 7) AND flags < 4",
                (account, upto),
            ).fetchall()
            if done:
                connection.executemany(
                    "DELETE FROM log WHERE account = ? AND id = ?", [(account, id) for id, _ in done]
                )
                _forget_messages(connection, done)

        self._queue(write)

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        rows = [(UNDELIVERED, account, id, INCOMING) for id in ids]
        self._queue(
            lambda connection: (
                connection.executemany(
                    "UPDATE log SET flags = flags | ? WHERE account = ? AND id = ? AND flags & ?", rows
                ).rowcount
            )
        )

    async def expire(self, before: int) -> int:
        """In small transactions, so that others get their turn."""
        total = 0
        rows = await self._read(lambda connection: connection.execute("SELECT id FROM account").fetchall())
        for (account,) in rows:
            while removed := await self._write(_expire_log(account, before)):
                total += removed
        while await self._write(_expire_messages(before)):
            pass
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

    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        def write(connection: sqlite3.Connection) -> int:
            (seq,) = connection.execute(
                "UPDATE counter SET value = value + 1 WHERE name = 'document' RETURNING value"
            ).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", (account, space, key, value, seq)
            )
            return int(seq)

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

    def changed_elsewhere(self) -> bool:
        """Looks at what the last look has found, and looks again in the background."""
        changed = self._changed
        self._changed = False
        self._queue(self._look)
        return changed

    _changed = False

    def _look(self, connection: sqlite3.Connection) -> None:
        version = _versions(connection)
        if version != self._seen:
            self._seen = version
            self._changed = True


def _versions(connection: sqlite3.Connection) -> tuple[int, int]:
    """Asked on the writing connection, `data_version` counts what other connections have committed."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return version, 0


def _where(query: LogQuery) -> tuple[str, list[Any]]:
    where = ["log.account = ?", f"NOT log.flags & {UNARCHIVED}"]
    values: list[Any] = [query.account]
    if query.peer is not None:
        where.append("log.peer = (SELECT id FROM address WHERE jid = ?)")
        values.append(query.peer)
    if query.after is not None:
        where.append("log.id > ?")
        values.append(query.after)
    if query.before is not None:
        where.append("log.id < ?")
        values.append(query.before)
    if query.ids is not None:
        where.append(f"log.id IN ({','.join('?' * len(query.ids))})")
        values += query.ids
    return " AND ".join(where), values


def _expire_log(account: int, before: int) -> Callable[[sqlite3.Connection], int]:
    """Removes some old entries that were delivered from one account's log."""
    return lambda connection: (
        connection.execute(
            "DELETE FROM log WHERE account = :account AND id IN ("
            "SELECT id FROM log WHERE account = :account AND id < :before AND flags < 4 AND NOT ("
            "flags & 1 AND id > (SELECT delivered FROM account WHERE id = :account)) LIMIT :rows)",
            {"account": account, "before": before, "rows": _EXPIRE_ROWS},
        ).rowcount
    )


def _expire_messages(before: int) -> Callable[[sqlite3.Connection], int]:
    """Removes some old messages that are in no log any more."""
    return lambda connection: (
        connection.execute(
            "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE id < :before AND id NOT IN ("
            "SELECT log.id FROM account JOIN log ON log.account = account.id AND log.id < :before) "
            "LIMIT :rows)",
            {"before": before, "rows": _EXPIRE_ROWS},
        ).rowcount
    )


def _forget_messages(connection: sqlite3.Connection, gone: Sequence[tuple[int, int]]) -> None:
    """Removes the messages, of the ids and peers given, that the peer's log does not hold either."""
    connection.executemany(
        "DELETE FROM message WHERE id = :id AND NOT EXISTS ("
        "SELECT 1 FROM address JOIN account USING (jid) JOIN log ON log.account = account.id "
        "WHERE address.id = :peer AND log.id = :id)",
        [{"id": id, "peer": peer} for id, peer in gone],
    )
