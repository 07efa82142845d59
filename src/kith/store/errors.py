"""What a person is told when the store can't be used, and what a caller is when it can't do something now."""

from __future__ import annotations

import sqlite3

from kith.ports.store import Unavailable


class StoreError(Exception):
    """The database can't be opened or written; the text is one line for a person."""


class Locked(StoreError, Unavailable):
    """Another process has kept the database for itself for too long."""

    condition = "resource-constraint"


class Full(Unavailable):
    """There is no room on the disk."""

    condition = "resource-constraint"


class Faulty(Unavailable):
    """The disk can't be written, or not be read."""


class Removed(Unavailable):
    """The database was deleted, moved or replaced while it was open."""


class Damaged(Unavailable):
    """Pages of the database hold what SQLite has not written. What lies on other pages can be used."""


_KINDS = {
    sqlite3.SQLITE_FULL: Full,
    sqlite3.SQLITE_IOERR: Faulty,
    sqlite3.SQLITE_READONLY: Faulty,
    sqlite3.SQLITE_CANTOPEN: Faulty,
    sqlite3.SQLITE_PERM: Faulty,
    sqlite3.SQLITE_CORRUPT: Damaged,
    sqlite3.SQLITE_NOTADB: Damaged,
}


def translated(error: BaseException) -> BaseException:
    """A fault of the disk as `Unavailable`; any other error as it is."""
    if not isinstance(error, sqlite3.Error):
        return error
    kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if kind is None:
        return error
    made = kind(f"{error} ({getattr(error, 'sqlite_errorname', '')})")
    made.__cause__ = error
    return made
