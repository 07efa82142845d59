"""A copy of a database that others write to meanwhile, and whether a database is whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from kith.store.errors import StoreError
from kith.store.schema import MIGRATIONS

#: Pages that are copied at once: some milliseconds.
_PAGES = 1000
_BUSY = 10.0
#: After a restore, documents are numbered from so far above what clients may have seen (roster versions).
_AHEAD = 1 << 32


def copy(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copies the state at the time of the call. ``progress`` is told how many of how many pages are done.

    Uses SQLite's online backup within one read transaction: writers go on, and what they commit is not in
    the copy; their journal can't shrink before the copy is done. Raises StoreError.
    """
    if not source.is_file():
        raise StoreError(f"there is no database {source}")
    try:
        reading = sqlite3.connect(source, timeout=_BUSY, isolation_level=None)
        try:
            writing = sqlite3.connect(target, isolation_level=None)
            try:
                reading.execute("BEGIN")
                reading.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the state is taken here
                reading.backup(writing, pages=_PAGES, progress=lambda _, left, all: progress(all - left, all))
            finally:
                writing.close()
        finally:
            reading.close()
    except sqlite3.Error as error:
        raise StoreError(f"can't copy the database {source}: {error}") from error


def check(path: Path) -> int:
    """Looks through the whole database. Returns how many accounts it has. Raises StoreError."""
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
            (accounts,) = connection.execute("SELECT count(*) FROM account").fetchone()
            return int(accounts)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"the database is damaged: {error}") from error


def set_apart(path: Path) -> None:
    """A restored database counts on from where the lost one has never been. Raises StoreError.

    A client that remembers a roster version from after the backup would else take what is new for known.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("UPDATE counter SET value = value + ? WHERE name = 'document'", (_AHEAD,))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"can't write the database: {error}") from error
