"""Copies the journal (WAL) into the database, while commits continue.

SQLite would do this within a commit, which would then have to wait for thousands of pages. Here a separate
thread copies, repeatedly while many pages are added in the meantime. The writer copies the few that are left,
between two commits, because the journal restarts only when everything is copied.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable

#: A round starts after about this many pages were written to the journal.
_PAGES = 8000
#: With at most this many pages left, a round ends.
_FEW = 200
#: The maximum number of copies in a round, in case pages are added as fast as they are copied.
_TIMES = 5


class Checkpoints:
    """The thread that copies. A failed copy is tried again in the next round.

    ``connect`` is called on the thread, before its first round. ``rest``: whether something is left for the
    writer thread. If a round takes too long, SQLite's own checkpoint takes place within a commit
    (`connect`).
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._written = 0  # pages since the last round began
        self._wake = threading.Semaphore(0)
        self._copying = False  # whether a round is running, or its rest is not copied yet
        self.rest = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="kith-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Blocks while it is copying."""
        self._stop = True
        self._wake.release()
        self._thread.join()

    # -- on the writer thread --------------------------------------------------------------------

    def wrote(self, pages: int) -> None:
        """Notes that a commit has added about this many pages to the journal."""
        self._written += pages
        if self._written > _PAGES and not self._copying:
            self._written = 0
            self._copying = True
            self._wake.release()

    def finish(self, connection: sqlite3.Connection) -> None:
        """Copies what the thread has left (`rest`). Not to be called within a transaction."""
        self.rest = False
        with contextlib.suppress(sqlite3.Error):
            _copy(connection)
        self._copying = False

    # -- on the thread that copies --------------------------------------------------------------------

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            self._wake.acquire()
            if self._stop:
                break
            with contextlib.suppress(sqlite3.Error):
                if connection is None:
                    connection = self._connect()
                _round(connection)
            self.rest = True
        if connection is not None:
            connection.close()


def empty_journal(connection: sqlite3.Connection) -> bool:
    """Copies all of the journal and truncates it. Returns False if a reader or writer prevents it.

    SQLite blocks writers while it waits for readers (up to the busy timeout of the connection, which
    therefore has to be short) and while it copies; so nearly everything is copied before.
    """
    _round(connection)
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _round(connection: sqlite3.Connection) -> None:
    before = _copy(connection)
    for _ in range(_TIMES - 1):
        now = _copy(connection)
        if now - before < _FEW:
            break
        before = now


def _copy(connection: sqlite3.Connection) -> int:
    """Copies what is possible without blocking anybody. Returns how many pages the journal has."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
