"""Whether the database's files are still those that were opened.

SQLite goes on with a file that was deleted or replaced, and says that it has committed; what it writes then
is gone with the process. So the names are looked up again after each commit, which takes some microseconds.
"""

from __future__ import annotations

import os
from pathlib import Path

from kith.store.errors import Removed


class Files:
    """The database and its journal, which is there as long as somebody has the database open."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._seen: dict[str, tuple[int, int]] = {}

    def check(self) -> None:
        """Raises Removed if a file that was seen before is not there, or is another one."""
        for name in (self._path, f"{self._path}-wal"):
            try:
                found = os.stat(name)
            except FileNotFoundError:
                if name in self._seen:
                    raise Removed(f"{name} was removed") from None
                continue
            identity = (found.st_dev, found.st_ino)
            if self._seen.setdefault(name, identity) != identity:
                raise Removed(f"{name} was replaced")
