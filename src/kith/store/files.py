"""Whether the database's files are still those that were opened.

SQLite goes on with a file that was deleted or replaced, and says that it has committed; what it writes then
is gone with the process. So the names are looked up again after each commit, which takes some microseconds.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kith.store.errors import Damaged, Removed


class Files:
    """The database, its journal and the journal's index, which are there while somebody has it open.

    Without the index another process would begin one of its own, and take the journal for its own to remove.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._names = (self._path, f"{self._path}-wal", f"{self._path}-shm")
        self._seen: dict[str, tuple[int, int]] = {}
        self._size = 0
        self._cut = False
        self._lock = threading.Lock()  # or a size that another thread has seen before would look like less

    def check(self) -> None:
        """Raises Removed if a file that was seen before is not there, or is another one.

        Raises Damaged, from then on, if the database was cut off: it never gets smaller by itself, and what
        is written to it later would hide what is missing.
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
