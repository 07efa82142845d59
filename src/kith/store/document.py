"""The SQL statements that read and write single documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from kith.ports.store import Document, Write


def document(connection: sqlite3.Connection, account: int, space: str, key: str) -> Document | None:
    """Reads a document, or returns None."""
    row = connection.execute(
        "SELECT key, value, seq FROM document WHERE account = ? AND space = ? AND key = ?",
        (account, space, key),
    ).fetchone()
    return Document(*row) if row else None


def write_all(connection: sqlite3.Connection, writes: Iterable[Write]) -> None:
    """Writes or removes documents."""
    for account, space, key, value in writes:
        if value is not None:
            put(connection, account, space, key, value)
        else:
            connection.execute(
                "DELETE FROM document WHERE account = ? AND space = ? AND key = ?", (account, space, key)
            )


def put(connection: sqlite3.Connection, account: int, space: str, key: str, value: bytes) -> int:
    """Writes a document. Returns its new ``seq``."""
    (seq,) = connection.execute(
        "UPDATE counter SET value = value + 1 WHERE name = 'document' RETURNING value"
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)", (account, space, key, value, seq)
    )
    return int(seq)
