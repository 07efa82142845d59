"""The database schema, and migrations from older versions."""

from __future__ import annotations

import sqlite3

import structlog

from kith.store.errors import StoreError

logger = structlog.get_logger("kith")
#: One script per version. The `user_version` of a database is the number of scripts applied to it.
MIGRATIONS = (
    """
    CREATE TABLE address (id INTEGER PRIMARY KEY, jid TEXT NOT NULL UNIQUE);
    CREATE TABLE account (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        jid TEXT NOT NULL UNIQUE,
        keys BLOB NOT NULL,
        delivered INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        sender INTEGER NOT NULL,
        origin BLOB,
        stanza BLOB NOT NULL
    );
    CREATE UNIQUE INDEX message_origin ON message (sender, origin) WHERE origin IS NOT NULL;
    CREATE TABLE log (
        account INTEGER NOT NULL,
        id INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        PRIMARY KEY (account, id)
    ) WITHOUT ROWID;
    CREATE INDEX log_peer ON log (account, peer, id);
    CREATE INDEX log_undelivered ON log (account, id) WHERE flags >= 4;
    CREATE INDEX log_unarchived ON log (account, id) WHERE flags IN (2, 3, 6, 7);
    CREATE TABLE document (
        account INTEGER NOT NULL,
        space TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (account, space, key)
    ) WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counter VALUES ('document', 0);
    """,
    # A message counts the logs that have it. The indexes contain all columns that their queries read.
    """
    ALTER TABLE message ADD COLUMN holders INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX log_id ON log (id);
    UPDATE message SET holders = (SELECT count(*) FROM log WHERE log.id = message.id);
    DROP INDEX log_id;
    DROP INDEX log_peer;
    DROP INDEX log_undelivered;
    DROP INDEX log_unarchived;
    CREATE INDEX log_peer ON log (account, peer, id, flags);
    CREATE INDEX log_undelivered ON log (account, id, flags) WHERE flags >= 4;
    CREATE INDEX log_unarchived ON log (account, id, flags) WHERE flags & 2;
    """,
    # The index by peer is updated on use (`kith.store.conversations`).
    """
    DROP INDEX log_peer;
    CREATE TABLE conversation (
        account INTEGER NOT NULL,
        peer INTEGER NOT NULL,
        id INTEGER NOT NULL,
        PRIMARY KEY (account, peer, id)
    ) WITHOUT ROWID;
    ALTER TABLE account ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
    """,
    # The outbox (`kith.store.outbox`).
    """
    CREATE INDEX log_outgoing ON log (id, account, peer, flags) WHERE flags >= 8;
    """,
    # Sessions that wait for the next start are found without reading all accounts (`Documents.take`).
    """
    CREATE INDEX document_sessions ON document (account, key) WHERE space = 'sessions';
    """,
    # Groups, and the messages that they share (`kith.store.shared`).
    """
    ALTER TABLE account ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX account_groups ON account (jid) WHERE kind = 1;
    CREATE TABLE share (
        id INTEGER NOT NULL,
        account INTEGER NOT NULL,
        own BLOB,
        PRIMARY KEY (id, account)
    ) WITHOUT ROWID;
    CREATE TABLE source (
        account INTEGER NOT NULL,
        source INTEGER NOT NULL,
        PRIMARY KEY (account, source)
    ) WITHOUT ROWID;
    CREATE TABLE expiry (
        at INTEGER NOT NULL,
        id INTEGER NOT NULL,
        source INTEGER NOT NULL,
        PRIMARY KEY (at, id)
    ) WITHOUT ROWID;
    """,
    # The first message that a group has shared with an account: before it, nothing needs to be looked for.
    """
    ALTER TABLE source ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
    """,
    # The last message that a group has shared with an account which it shares no more with; else NULL.
    """
    ALTER TABLE source ADD COLUMN last INTEGER;
    """,
)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database has no tables yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return not version


def migrate(connection: sqlite3.Connection) -> None:
    """Migrates the database to this version, in one transaction. Raises StoreError if it is newer."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the database has version {version}, this Kith knows {len(MIGRATIONS)}: use a newer Kith"
            )
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    if version:
        logger.info("database migrated", old=version, new=len(MIGRATIONS))
