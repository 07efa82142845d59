"""Whether the pages of the database hold what SQLite has written."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from kith.store.connection import connect

#: More are not looked for.
_MOST = 10


class Check:
    """Reads the whole database, beside whoever uses it. `run` blocks; `stop` ends it from another thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._stopped = False

    def run(self) -> list[str]:
        """What is wrong, one line each; nothing if all is well, or if it was stopped."""
        try:
            connection = self._connection = connect(self._path, 10.0)
        except sqlite3.Error as error:
            return [str(error)]
        try:
            if self._stopped:  # before there was anything to interrupt
                return []
            connection.execute("PRAGMA query_only = ON")
            rows = connection.execute(f"PRAGMA quick_check({_MOST})").fetchall()
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
            with contextlib.suppress(sqlite3.ProgrammingError):  # it has just ended
                connection.interrupt()


def ended_well(path: Path) -> bool:
    """Whether the last server closed the database, as it does when it is stopped."""
    journal = path.with_name(path.name + "-wal")
    return not journal.exists() or not journal.stat().st_size
