"""The errors of the store: for people, and for callers."""

from __future__ import annotations

import sqlite3

from kith.ports.store import Unavailable


class StoreError(Exception):
    """The database can't be opened or written. The text is one line for a person."""


class Locked(StoreError, Unavailable):
    """Another process has locked the database for too long."""

    condition = "resource-constraint"


class Full(Unavailable):
    """The disk is full."""

    condition = "resource-constraint"


class Faulty(Unavailable):
    """The disk can't be written or read."""


class Removed(Unavailable):
    """The database was deleted, moved or replaced while it was open."""


class Damaged(Unavailable):
    """Some pages of the database are corrupt. Data on other pages can be used."""


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
    """Converts a fault of the disk to `Unavailable`. Other errors are returned as they are."""
    if not isinstance(error, sqlite3.Error):
        return error
    kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if kind is None:
        return error
    made = kind(f"{error} ({getattr(error, 'sqlite_errorname', '')})")
    made.__cause__ = error
    return made
