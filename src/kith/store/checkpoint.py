"""Copies what the journal (WAL) holds into the database, beside the commits that go on meanwhile.

SQLite would do it within a commit, and whoever waits for that one would wait for thousands of pages. Here a
thread of its own copies, again and again while many were added meanwhile; the few that are left then are
the writer's, between two commits: only when all is copied does the journal begin anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable

#: So many pages are written to the journal between two rounds, about.
_PAGES = 8000
#: So many are few.
_FEW = 200
#: A round ends after so many times even if more come as fast as they are copied.
_TIMES = 5


class Checkpoints:
    """``connect`` is called on the thread, before its first round. What fails is tried with the next round.

    ``rest``: something is left for the thread that writes.

    SQLite's own checkpoint, within a commit, is what is left if a round takes too long (`connect`).
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._written = 0  # pages, since the last round began
        self._wake = threading.Semaphore(0)
        self._copying = False  # a round is under way, until what it has left is copied as well
        self.rest = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="kith-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Blocks while it copies."""
        self._stop = True
        self._wake.release()
        self._thread.join()

    # -- on the thread that writes --------------------------------------------------------------------

    def wrote(self, pages: int) -> None:
        """A commit has added so many to the journal, about."""
        self._written += pages
        if self._written > _PAGES and not self._copying:
            self._written = 0
            self._copying = True
            self._wake.release()

    def finish(self, connection: sqlite3.Connection) -> None:
        """Copies what the thread has left (`rest`); not within a transaction."""
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
    """Copies all of the journal and cuts it to nothing; False if a reader or writer is in the way.

    SQLite keeps writers out while it waits for readers to end (up to the connection's busy timeout, which
    therefore has to be short), and while it copies: so nearly everything is copied before.
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
    """Returns how many pages the journal has; nobody waits for it, nor does it for others."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
