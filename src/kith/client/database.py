"""The file of an account: keys, history and outbox, in SQLite.

Only its owner can read it, and only one program at a time can have it open.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import IO, NoReturn, cast

from kith.client.errors import AccountInUse, DataUnusable, NotOpen

_MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE keys (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE messages (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        peer TEXT NOT NULL,
        id TEXT NOT NULL,
        origin TEXT,
        archive TEXT,
        body TEXT NOT NULL,
        incoming INTEGER NOT NULL,
        here INTEGER NOT NULL,
        encrypted INTEGER NOT NULL,
        trust TEXT NOT NULL,
        time REAL NOT NULL,
        state TEXT NOT NULL,
        markable INTEGER NOT NULL DEFAULT 0,
        error TEXT
    );
    CREATE UNIQUE INDEX messages_once ON messages (peer, incoming, origin) WHERE origin IS NOT NULL;
    CREATE UNIQUE INDEX messages_archive ON messages (archive) WHERE archive IS NOT NULL;
    CREATE INDEX messages_chat ON messages (peer, time, row);
    CREATE INDEX messages_id ON messages (peer, id);
    CREATE INDEX messages_queued ON messages (row) WHERE state = 'queued';
    CREATE TABLE chats (
        peer TEXT PRIMARY KEY,
        name TEXT NOT NULL DEFAULT '',
        read INTEGER NOT NULL DEFAULT 0,
        plain INTEGER NOT NULL DEFAULT 0,
        keys_changed INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE known_keys (peer TEXT, fingerprint TEXT, PRIMARY KEY (peer, fingerprint)) WITHOUT ROWID;
    CREATE TABLE due (peer TEXT, kind TEXT, id TEXT, PRIMARY KEY (peer, kind, id)) WITHOUT ROWID;
    """,
    # 2: retries are the same stanzas, and ids alone do not identify messages or our place in the archive
    """
    CREATE TABLE flights (
        id TEXT PRIMARY KEY,
        content TEXT,
        strikes INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE wanted (
        peer TEXT, device INTEGER, id TEXT, renew INTEGER NOT NULL,
        asked REAL NOT NULL DEFAULT 0, times INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (peer, device, id)
    );
    CREATE TABLE refused (peer TEXT, device INTEGER, id TEXT, PRIMARY KEY (peer, device, id)) WITHOUT ROWID;
    CREATE TABLE former_ids (peer TEXT, id TEXT, row INTEGER, PRIMARY KEY (peer, id)) WITHOUT ROWID;
    DROP INDEX messages_once;
    DROP INDEX messages_archive;
    ALTER TABLE messages ADD COLUMN digest TEXT;
    ALTER TABLE messages ADD COLUMN device INTEGER;
    CREATE INDEX messages_origin ON messages (peer, incoming, origin) WHERE origin IS NOT NULL;
    CREATE INDEX messages_archive ON messages (archive) WHERE archive IS NOT NULL;
    ALTER TABLE chats ADD COLUMN nickname TEXT NOT NULL DEFAULT '';
    ALTER TABLE chats ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
    UPDATE chats SET written = 1
        WHERE EXISTS (SELECT 1 FROM messages m WHERE m.peer = chats.peer AND NOT m.incoming);
    """,
    # 3: messages that change others; bots; and nothing that takes longer as the history grows
    """
    ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'text';
    ALTER TABLE messages ADD COLUMN about TEXT;
    ALTER TABLE messages ADD COLUMN reply TEXT;
    ALTER TABLE messages ADD COLUMN replaces TEXT;
    ALTER TABLE messages ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN reactions TEXT;
    CREATE INDEX messages_unread ON messages (peer, row) WHERE incoming AND error IS NULL AND kind = 'text';
    CREATE INDEX messages_unseen ON messages (peer, row) WHERE state IN ('sent', 'delivered');
    CREATE TABLE bot_messages (row INTEGER PRIMARY KEY, attempts INTEGER NOT NULL, done INTEGER NOT NULL);
    CREATE TABLE bot_people (peer TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE bot_timers (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        peer TEXT NOT NULL,
        data TEXT NOT NULL,
        due REAL NOT NULL,
        every REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        UNIQUE (name, peer)
    );
    """,
    # 4: changes are found by the message that they are about
    "CREATE INDEX messages_about ON messages (peer, about) WHERE about IS NOT NULL;",
    # 5: groups
    """
    ALTER TABLE messages ADD COLUMN author TEXT;
    ALTER TABLE messages ADD COLUMN place TEXT;
    ALTER TABLE messages ADD COLUMN extra TEXT;
    ALTER TABLE messages ADD COLUMN receipts TEXT;
    ALTER TABLE messages ADD COLUMN number INTEGER;
    CREATE INDEX messages_place ON messages (peer, place, row) WHERE place IS NOT NULL;
    ALTER TABLE wanted ADD COLUMN chat TEXT NOT NULL DEFAULT '';
    ALTER TABLE refused ADD COLUMN chat TEXT NOT NULL DEFAULT '';
    CREATE TABLE groups (
        jid TEXT PRIMARY KEY,
        name TEXT NOT NULL DEFAULT '',
        description TEXT NOT NULL DEFAULT '',
        affiliation TEXT NOT NULL DEFAULT 'none',
        invited INTEGER NOT NULL DEFAULT 0,
        number INTEGER NOT NULL DEFAULT 0,
        wanted INTEGER NOT NULL DEFAULT 0,
        unread INTEGER NOT NULL DEFAULT 0,
        settings TEXT NOT NULL DEFAULT '{}',
        creator TEXT NOT NULL DEFAULT '',
        created REAL,
        destroyed INTEGER NOT NULL DEFAULT 0,
        delivered TEXT NOT NULL DEFAULT '',
        read TEXT NOT NULL DEFAULT '',
        told TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    CREATE TABLE group_members (
        chat TEXT, jid TEXT, affiliation TEXT NOT NULL, nick TEXT NOT NULL, invited INTEGER NOT NULL,
        since REAL, by TEXT NOT NULL, joined INTEGER NOT NULL,
        PRIMARY KEY (chat, jid)
    ) WITHOUT ROWID;
    CREATE INDEX group_members_jid ON group_members (jid);
    """,
    # 6: changes can be taken back; chats are unencrypted until there are keys
    """
    ALTER TABLE messages ADD COLUMN undo TEXT;
    CREATE INDEX messages_undo ON messages (row) WHERE undo IS NOT NULL;
    ALTER TABLE chats ADD COLUMN keyless INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chats ADD COLUMN encrypted_again INTEGER NOT NULL DEFAULT 0;
    """,
    # 7: messages of groups disappear
    """
    ALTER TABLE messages ADD COLUMN expires REAL;
    CREATE INDEX messages_expires ON messages (expires) WHERE expires IS NOT NULL;
    CREATE INDEX messages_pins ON messages (peer, place) WHERE kind = 'pin';
    ALTER TABLE groups DROP COLUMN delivered;
    ALTER TABLE groups DROP COLUMN read;
    """,
    # 8: files that wait to be uploaded, our claims to blobs, and where files are on this device
    """
    CREATE TABLE media_out (
        row INTEGER PRIMARY KEY,
        file TEXT NOT NULL,
        size INTEGER NOT NULL,
        slot TEXT
    );
    CREATE TABLE media_claims (
        row INTEGER, blob TEXT, released INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (row, blob)
    ) WITHOUT ROWID;
    CREATE INDEX media_claims_blob ON media_claims (blob);
    CREATE TABLE media_files (
        row INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        kept INTEGER NOT NULL
    );
    """,
    # 9: statuses. seen: 0 no, 1 here, 2 the server knows. Without a kind: it was deleted
    """
    CREATE TABLE statuses (
        author TEXT, id TEXT, kind TEXT NOT NULL, text TEXT NOT NULL, time REAL NOT NULL, until REAL NOT NULL,
        extra TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (author, id)
    ) WITHOUT ROWID;
    CREATE INDEX statuses_until ON statuses (until);
    CREATE TABLE status_viewers (
        id TEXT, jid TEXT, time REAL NOT NULL, PRIMARY KEY (id, jid)
    ) WITHOUT ROWID;
    """,
)


_FILE = "account.sqlite"


def _sync(log: Path) -> None:
    """Writes the database's write-ahead log, in which all commits are, to the disk.

    SQLite has written the log by `write`, so any descriptor of the file will do. It holds its locks on other
    files, so closing the descriptor releases none.
    """
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except FileNotFoundError:
        return  # closing the database has moved everything into the file, and synced that
    try:
        os.fdatasync(descriptor) if hasattr(os, "fdatasync") else os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Closed:
    """Takes the place of a closed connection."""

    def __getattr__(self, _: str) -> NoReturn:
        raise NotOpen("The client is not open any more.")


class Database:
    """One connection. Writes collect in a transaction until `commit`.

    So a message, the ratchet step that decrypted it and the place in the archive are kept together, or not at
    all. What was committed survives any end of the program; after `flush`, a power cut as well. Committing is
    quick, and flushing takes as long as the disk. So callers flush only before something leaves this device
    that may not be said twice, and all who wait share one flush.
    """

    __slots__ = ("_commits", "_flushed", "_flushing", "_lock", "_on_rollback", "folder", "sql")

    def __init__(self, folder: Path) -> None:
        """Opens the file in a folder, or creates both. Raises AccountInUse, DataUnusable."""
        self.folder = folder
        self._commits = self._flushed = 0
        self._flushing: asyncio.Future[None] | None = None
        self._on_rollback: list[Callable[[], None]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._lock = self._hold(folder / "lock")
        except OSError as error:
            raise DataUnusable(f"{folder} can't be used for keys and history: {error.strerror}.") from None
        try:
            self._open(folder / _FILE)
        except (OSError, sqlite3.DatabaseError) as error:
            self._lock.close()
            raise DataUnusable(f"The keys and the history in {folder} can't be opened: {error}.") from None

    def _open(self, path: Path) -> None:
        path.touch(mode=0o600, exist_ok=True)
        path.chmod(0o600)
        old = os.umask(0o177)
        try:
            self.sql = sqlite3.connect(path)
            self.sql.execute("PRAGMA journal_mode = WAL")
            self.sql.execute("PRAGMA synchronous = NORMAL")
            self._migrate()
        finally:
            os.umask(old)

    @staticmethod
    def _hold(path: Path) -> IO[str]:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise AccountInUse(
                f"This account is already open in another program ({path.parent}). Close it, "
                "or give this one a folder of its own with --data."
            ) from None
        return lock

    def _migrate(self) -> None:
        (version,) = self.sql.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise sqlite3.DatabaseError("a newer version of Kith has written them")
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            self.sql.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")

    def commit(self) -> None:
        """Keeps everything that was written since the last commit, if the program ends now."""
        if self.sql.in_transaction:
            self.sql.commit()
            self._commits += 1

    def rollback(self) -> None:
        """Drops everything that was written since the last commit."""
        self.sql.rollback()
        for forget in self._on_rollback:
            forget()

    def on_rollback(self, forget: Callable[[], None]) -> None:
        """Calls a function after each rollback, for whoever remembers what was written."""
        self._on_rollback.append(forget)

    async def flush(self) -> None:
        """Waits until everything that was committed before the call would survive a power cut.

        Raises OSError if the disk fails.
        """
        wanted = self._commits
        while self._flushed < wanted:
            if self._flushing is None:
                self._flushing = asyncio.ensure_future(self._flush())
            await asyncio.shield(self._flushing)

    def flush_now(self) -> None:
        """Does the same at once. It blocks, so it is for what happens seldom."""
        _sync(self.folder / f"{_FILE}-wal")

    async def _flush(self) -> None:
        upto = self._commits
        try:
            await asyncio.to_thread(_sync, self.folder / f"{_FILE}-wal")
            self._flushed = upto
        finally:
            self._flushing = None

    def close(self) -> None:
        """Commits, closes the file, and lets other programs open it."""
        self.sql.commit()
        self.sql.close()
        self.sql = cast("sqlite3.Connection", _Closed())
        self._lock.close()

    def get(self, key: str) -> str | None:
        """A small value that is stored for this account; None if there is none."""
        row = self.sql.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set(self, key: str, value: str) -> None:
        """Stores a small value. The caller commits."""
        self.sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
