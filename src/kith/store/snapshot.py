"""Copies a database that is in use, and checks whether a database is intact."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from kith.store.errors import StoreError
from kith.store.schema import MIGRATIONS

#: How many pages are copied at once, which takes some milliseconds.
_PAGES = 1000
_BUSY = 10.0
#: After a restore, ``seq`` numbers continue this far above those that clients may have seen (roster
#: versions).
_AHEAD = 1 << 32


def copy(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copies the state at the time of the call. Raises StoreError.

    ``progress`` is called with the numbers of copied and of all pages. The copy uses SQLite's online backup
    within one read transaction: writers continue, and their commits are not in the copy; the journal can't
    shrink before the copy is done.
    """
    if not source.is_file():
        raise StoreError(f"there is no database {source}")
    try:
        reading = sqlite3.connect(source, timeout=_BUSY, isolation_level=None)
        try:
            writing = sqlite3.connect(target, isolation_level=None)
            try:
                reading.execute("BEGIN")
                reading.execute(
                    "SELECT count(*) FROM sqlite_master"
                ).fetchone()  # the copy has the state of this moment
                reading.backup(writing, pages=_PAGES, progress=lambda _, left, all: progress(all - left, all))
            finally:
                writing.close()
        finally:
            reading.close()
    except sqlite3.Error as error:
        raise StoreError(f"can't copy the database {source}: {error}") from error


def check(path: Path) -> int:
    """Checks the whole database. Returns the number of its accounts. Raises StoreError."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            (problem,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if problem != "ok":
                first = str(problem).partition("\n")[2] or problem
                raise StoreError(f"the database is damaged: {first}")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if not 1 <= version <= len(MIGRATIONS):
                what = "is of a newer Kith" if version else "is no database of Kith"
                raise StoreError(f"the database {what} (version {version}, this one knows {len(MIGRATIONS)})")
            (accounts,) = connection.execute("SELECT count(*) FROM account WHERE kind = 0").fetchone()
            return int(accounts)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"the database is damaged: {error}") from error


def set_apart(path: Path) -> None:
    """Lets a restored database continue with numbers that the lost one has never used. Raises StoreError.

    Otherwise a client with a roster version from after the backup would miss changes.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("UPDATE counter SET value = value + ? WHERE name = 'document'", (_AHEAD,))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"can't write the database: {error}") from error
