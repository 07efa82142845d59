"""Which server a data folder belongs to: one process at a time, and one domain."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from kith.store.errors import StoreError

#: In a data folder; whoever holds it, and nothing else, uses the folder.
LOCK = "serve.lock"


class FolderLock:
    """Held by the one server that uses a data folder; the system lets go of it when the process ends.

    Two servers on one database would each know half of who is connected, and deliver to that half alone.
    """

    def __init__(self, folder: Path) -> None:
        """Raises StoreError if another process holds it, OSError if the file can't be made."""
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            who = f"process {owner}" if owner.isdigit() else "another process"
            raise StoreError(f"{who} serves from the folder {folder} already; stop it first") from None
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


def check_domain(connection: sqlite3.Connection, domain: str) -> None:
    """Raises StoreError if the database has accounts, and all of them are of other domains."""
    first = connection.execute("SELECT jid FROM account LIMIT 1").fetchone()
    # unlike LIKE, GLOB tells cases apart; of its special characters a domain has [ at the most
    ours = f"*@{domain.replace('[', '[[]')}"
    if first is None or connection.execute("SELECT 1 FROM account WHERE jid GLOB ?", (ours,)).fetchone():
        return
    theirs = first[0].rpartition("@")[2]
    raise StoreError(
        f"the accounts in the database are of {theirs}, not of {domain}: "
        f"set KITH_DOMAIN={theirs}, or another KITH_DATA_DIR"
    )
