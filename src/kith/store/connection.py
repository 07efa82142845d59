"""Opens and closes the database, for the server and for commands such as `kith user`."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from kith.store.errors import StoreError
from kith.store.schema import is_empty, migrate

#: What to tell the user if a folder that was used has no database.
_RESCUE = (
    "though a server has used this folder: put it back, restore a backup, "
    "or remove the file `secret` beside it to begin with no accounts"
)
_OPEN_SECONDS = 10.0  # for another process that creates or migrates the same database


def connect(path: Path, busy: float) -> sqlite3.Connection:
    """Connects to an existing database. The connection may be used on another thread.

    ``busy``: seconds to wait for another process. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA wal_autocheckpoint = 32000")  # if `Checkpoints` has left too much
        connection.execute("PRAGMA secure_delete = ON")  # overwrites deleted data
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, busy: float, may_create: bool = True) -> sqlite3.Connection:
    """Opens the database and migrates it. Raises StoreError.

    ``may_create``: whether to create the database if it does not exist or is an empty file.
    """
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            if may_create:
                _create(path)
            elif not path.exists():
                raise StoreError(f"it is not there, {_RESCUE}")
            elif not path.stat().st_size:  # SQLite would create a database in it
                raise StoreError(f"it is empty, {_RESCUE}")
            connection = connect(path, busy)
            try:
                if not may_create and is_empty(connection):
                    raise StoreError(f"it is empty, {_RESCUE}")
                migrate(connection)
            except BaseException:
                connection.close()
                raise
            return connection
        except StoreError as error:
            raise StoreError(f"can't use the database {path}: {error}") from error
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise StoreError(f"can't use the database {path}: {error}") from error
            time.sleep(0.05)


def conclude(connection: sqlite3.Connection) -> None:
    """Copies the journal into the database and closes the files.

    Closing the last connection removes the journal. If another process has the database open, this waits for
    nothing, since commits of a server would have to wait too.

    Everything is done on one thread: SQLite closes a database when its last statement is freed, and a result
    that is passed to another thread would keep one alive for a moment.
    """
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
    finally:
        connection.close()


def _create(path: Path) -> None:
    """Creates an empty file that only its owner can read. SQLite gives its other files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
