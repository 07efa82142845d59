"""Checks that the database files are still those that were opened.

SQLite continues to write to a file that was deleted or replaced, and reports commits that are lost when the
process ends. So the names are checked after each commit, which takes some microseconds.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kith.store.errors import Damaged, Removed


class Files:
    """The database, its journal and the index of the journal, all of which exist while the database is open.

    Without the index, another process would create a new one, and might remove the journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._names = (self._path, f"{self._path}-wal", f"{self._path}-shm")
        self._seen: dict[str, tuple[int, int]] = {}
        self._size = 0
        self._cut = False
        # without it, a size read earlier by another thread could look like a truncation
        self._lock = threading.Lock()

    def check(self) -> None:
        """Checks the files. Raises Removed if a file that existed before is missing or was replaced.

        Raises Damaged, from then on, if the database was truncated: it never shrinks by itself, and later
        writes would hide the missing part.
        """
        with self._lock:
            self._check()

    def _check(self) -> None:
        if self._cut:
            raise Damaged(f"{self._path} was cut off")
        for name in self._names:
            try:
                found = os.stat(name)
            except FileNotFoundError:
                if name in self._seen:
                    raise Removed(f"{name} was removed") from None
                continue
            identity = (found.st_dev, found.st_ino)
            if self._seen.setdefault(name, identity) != identity:
                raise Removed(f"{name} was replaced")
            if name == self._path:
                if found.st_size < self._size:
                    self._cut = True
                    raise Damaged(f"{name} was cut off")
                self._size = found.st_size
