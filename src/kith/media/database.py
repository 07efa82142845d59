"""The media server's database: its tables, and the threads that use it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import TypeVar

from kith.ports.blobs import BlobError, BlobFull

_T = TypeVar("_T")
#: How long to wait for another process, such as `kith media expire`, in seconds.
_BUSY = 10.0
#: ``crc``: CRC-32 of the bytes before ``offset``. ``completed``: when the last byte came; NULL until then.
#: ``expires``: when an unfinished upload ends. ``orphaned``: when the last claim ended; NULL while there is
#: one. ``token``: SHA-256 of the token of the upload. Times are in seconds since 1970.
_FIRST = """
CREATE TABLE blob (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, size INTEGER NOT NULL, type TEXT NOT NULL, claim BLOB NOT NULL,
    created INTEGER NOT NULL, offset INTEGER NOT NULL DEFAULT 0, crc INTEGER NOT NULL DEFAULT 0,
    completed INTEGER, expires INTEGER, orphaned INTEGER, token BLOB
) WITHOUT ROWID;
CREATE INDEX blob_expires ON blob (expires) WHERE completed IS NULL;
CREATE INDEX blob_orphaned ON blob (orphaned) WHERE orphaned IS NOT NULL;
CREATE INDEX blob_unfinished ON blob (owner) WHERE completed IS NULL;
CREATE TABLE claim (
    blob TEXT NOT NULL, owner TEXT NOT NULL, made INTEGER NOT NULL, until INTEGER, lasting INTEGER NOT NULL,
    PRIMARY KEY (blob, owner)
) WITHOUT ROWID;
CREATE INDEX claim_owner ON claim (owner);
CREATE INDEX claim_until ON claim (until) WHERE until IS NOT NULL;
CREATE INDEX claim_made ON claim (made) WHERE until IS NULL AND lasting = 0;
CREATE TABLE owner (
    id TEXT PRIMARY KEY, address TEXT NOT NULL, bytes INTEGER NOT NULL DEFAULT 0,
    day INTEGER NOT NULL DEFAULT 0, today INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE total (bytes INTEGER NOT NULL, blobs INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0);
"""
#: ``doomed``: blobs without a record whose files are still to be removed.
_SECOND = "CREATE TABLE doomed (id TEXT PRIMARY KEY) WITHOUT ROWID"
#: ``ended``: uploads that were terminated, until their tokens have expired.
_THIRD = "CREATE TABLE ended (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID"
#: What makes a database of each version from the one before. A released one is never changed.
_MIGRATIONS = (_FIRST, _SECOND, _THIRD)


class MediaDatabaseError(Exception):
    """The database can't be used. The text is one line for the operator."""


class Database:
    """A connection for writing and one for reading, each with a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "kith-media-writer")
        self._reader = ThreadPoolExecutor(1, "kith-media-reader")
        self._writing: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._own = local()

    async def open(self) -> None:
        """Opens the database, and creates it if there is none. Raises MediaDatabaseError."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._create)
            self._writing = await loop.run_in_executor(self._writer, self._connect)
            self._reading = await loop.run_in_executor(self._reader, self._connect)
        except (sqlite3.Error, OSError) as error:
            raise MediaDatabaseError(f"can't use the database {self._path}: {error}") from error

    def _create(self) -> None:
        """Creates an empty file that only its owner can read, if there is none.

        The file must not be opened while there are connections: closing it would end SQLite's locks (POSIX),
        and then another process would remove the journal that this one goes on writing to.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False, cached_statements=128
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            connection.close()
            raise sqlite3.DatabaseError("a newer version of Kith has written it")
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        connection.execute("COMMIT")
        return connection

    async def close(self) -> None:
        """Waits for what is in progress, and closes the files."""

        def close(connection: sqlite3.Connection | None) -> None:
            if connection is not None:
                connection.close()

        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, close, self._reading)
        await loop.run_in_executor(self._writer, close, self._writing)
        self._reader.shutdown(wait=False)
        self._writer.shutdown(wait=False)

    def own(self) -> sqlite3.Connection:
        """A connection for reading of the thread that calls this."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY, isolation_level=None
            )
        return connection

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        """Does something on a thread. Raises BlobError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            raise (BlobFull if full else BlobError)(f"the media database: {error}") from error

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Does something in a transaction, and returns when it is on the disk.

        Nothing is changed if it raises. Raises BlobError.
        """

        def do() -> _T:
            connection = self._writing
            assert connection is not None
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        return await self._run(self._writer, do)

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Reads something. It sees everything that `write` has returned from. Raises BlobError."""
        connection = self._reading
        assert connection is not None
        return await self._run(self._reader, lambda: work(connection))
