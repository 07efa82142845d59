"""How the database is opened: by the server, and by `kith user` beside it."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from kith.store.errors import StoreError
from kith.store.schema import is_empty, migrate

#: What to do without a database in a folder that was used.
_RESCUE = (
    "though a server has used this folder: put it back, restore a backup, "
    "or remove the file `secret` beside it to begin with no accounts"
)
_OPEN_SECONDS = 10.0  # for another process that creates or migrates the same database


def connect(path: Path, busy: float) -> sqlite3.Connection:
    """A connection that may be handed to a thread, to a database that exists: none is made.

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
        connection.execute("PRAGMA wal_autocheckpoint = 32000")  # of what `Checkpoints` has left too long
        connection.execute("PRAGMA secure_delete = ON")  # what was removed is not to be found in the file
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, busy: float, may_create: bool = True) -> sqlite3.Connection:
    """Opens the database, and migrates it. Raises StoreError.

    ``may_create``: whether one is made if there is none, or an empty file.
    """
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            if may_create:
                _create(path)
            elif not path.exists():
                raise StoreError(f"it is not there, {_RESCUE}")
            elif not path.stat().st_size:  # SQLite would begin one in it
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
    """Writes the journal into the database and closes both: when it returns, nothing has the files open.

    The last connection that is closed removes the journal. While another process has the database open
    nothing is waited for: a server's commits would have to wait as well.

    On one thread: SQLite closes a database after its last statement, and a result that is handed to another
    thread has one that lives on here for a moment.
    """
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
    finally:
        connection.close()


def _create(path: Path) -> None:
    """Readable by its owner only, as the files that SQLite makes beside it then are too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
