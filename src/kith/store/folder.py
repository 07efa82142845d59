"""Ensures that a data folder can be used: by one server process at a time, and for one domain."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from kith.store.errors import StoreError

#: The name of the lock file in a data folder.
LOCK = "serve.lock"


def check_folder(folder: Path) -> None:
    """Creates a data folder if there is none, and checks that files can be written there.

    A new or empty folder becomes private to its user. Raises OSError; its text is one line for the operator.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            folder.chmod(0o700)
    except OSError as error:
        raise OSError(f"can't make the data folder {folder}: {error.strerror}") from None
    probe = folder / f".write-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"can't write to the data folder {folder}: {error.strerror}") from None


class FolderLock:
    """The lock of a data folder. The operating system releases it when the process ends.

    Two servers with the same database would each know only a part of the connected clients, and deliver
    only to those.
    """

    def __init__(self, folder: Path) -> None:
        """Locks a folder.

        Raises StoreError if another process has locked it, OSError if the file can't be created.
        """
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
    """Checks that a database with accounts has some of this domain. Raises StoreError."""
    first = connection.execute("SELECT jid FROM account WHERE kind = 0 LIMIT 1").fetchone()
    # GLOB, unlike LIKE, is case-sensitive; of its special characters, a domain can only contain [
    ours = f"*@{domain.replace('[', '[[]')}"
    if first is None or connection.execute("SELECT 1 FROM account WHERE jid GLOB ?", (ours,)).fetchone():
        return
    theirs = first[0].rpartition("@")[2]
    raise StoreError(
        f"the accounts in the database are of {theirs}, not of {domain}: "
        f"set KITH_DOMAIN={theirs}, or another KITH_DATA_DIR"
    )
