"""Checks the integrity of the whole database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from kith.store.connection import connect

#: The maximum number of errors to find.
_MAX_PROBLEMS = 10


class Check:
    """Checks a database while it is used. `run` blocks; `stop` ends it from another thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._stopped = False

    def run(self) -> list[str]:
        """The errors found, one line each; empty if there are none, or if the check was stopped."""
        try:
            connection = self._connection = connect(self._path, 10.0)
        except sqlite3.Error as error:
            return [str(error)]
        try:
            if self._stopped:  # stopped before it began
                return []
            connection.execute("PRAGMA query_only = ON")
            rows = connection.execute(f"PRAGMA quick_check({_MAX_PROBLEMS})").fetchall()
            lines = [line for row in rows for line in str(row[0]).splitlines()]
            return [line for line in lines if line != "ok" and not line.startswith("***")]
        except sqlite3.Error as error:
            return [] if self._stopped else [str(error)]
        finally:
            self._connection = None
            connection.close()

    def stop(self) -> None:
        self._stopped = True
        if (connection := self._connection) is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):  # the check has just ended
                connection.interrupt()


def ended_well(path: Path) -> bool:
    """Whether the database was closed properly."""
    journal = path.with_name(path.name + "-wal")
    return not journal.exists() or not journal.stat().st_size
