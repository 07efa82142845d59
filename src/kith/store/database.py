"""An open database, with its writer and reader threads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kith.base.histogram import Commits
from kith.ports.store import Unavailable
from kith.store import integrity
from kith.store.checkpoint import Checkpoints
from kith.store.connection import conclude, connect, prepare
from kith.store.errors import Damaged, translated
from kith.store.files import Files
from kith.store.folder import check_domain
from kith.store.health import Health
from kith.store.integrity import Check
from kith.store.marks import Marks
from kith.store.reader import Readers
from kith.store.transaction import Operation, Pending
from kith.store.writer import Writer

_T = TypeVar("_T")
#: The name of the thread that checks the whole database after a crash.
CHECK_THREAD = "kith-check"
#: How long to wait for optional work, in seconds.
PATIENCE = 2.0


class Database:
    """A database file, and the threads of this process for it.

    Other processes may write to it at the same time.

    ``gather``: how long a commit waits for more messages under load, in seconds (`Writer`). ``busy``: how
    long a write waits for another process, in seconds; after three tries it fails with StoreError.
    ``may_create``: whether to create the database if it does not exist. ``domain``: the domain that its
    accounts must have, if any. Faults of the disk are raised as `kith.ports.store.Unavailable`.
    """

    def __init__(
        self,
        path: Path,
        gather: float = 0.004,
        busy: float = 10.0,
        may_create: bool = True,
        domain: str = "",
    ) -> None:
        self._path = path
        self._gather = gather
        self._busy = busy
        self._may_create = may_create
        self._domain = domain
        self._files = Files(path)
        self.commits = Commits()
        self._writer: Writer | None = None
        self._connection: sqlite3.Connection | None = None
        self._readers: Readers | None = None
        self._health = Health()
        self._marks: Marks | None = None
        self._check = Check(path)
        self._checking: threading.Thread | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._version = 0
        self._changed = False
        self._settling: asyncio.Future[None] | None = None
        self._settling_from = 0  # how many operations had been queued when the current wait began

    async def open(self, look_through: bool = True) -> None:
        """Opens the database. Raises StoreError.

        If it was not closed properly, it is checked in the background, and interrupted deletions are
        finished. ``look_through``: False in a command that runs beside a server, which has not closed the
        database either.
        """
        loop = asyncio.get_running_loop()
        ended_well = integrity.ended_well(self._path)
        connection = await asyncio.to_thread(prepare, self._path, self._busy, self._may_create)
        if self._domain:
            try:
                check_domain(connection, self._domain)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._files = Files(self._path)  # the files may have been replaced since they were last open
        checkpoints = Checkpoints(lambda: connect(self._path, self._busy))
        self._writer = Writer(
            connection, loop, self._health, self.commits, self._files, checkpoints, self._gather
        )
        self._marks = Marks(self._writer, self._health)
        self._readers = Readers(self._connect, loop)
        if look_through and not ended_well:
            self._checking = threading.Thread(target=self._look_through, name=CHECK_THREAD, daemon=True)
            self._checking.start()
        self._version = await self._write(_data_version)

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._connection is None:
            return
        if self._finishing is not None:
            self._finishing.cancel()
            await asyncio.gather(self._finishing, return_exceptions=True)
        self._check.stop()
        if self._checking is not None:  # the check has the files open
            await asyncio.to_thread(self._checking.join, PATIENCE)
        await asyncio.to_thread(writer.close)
        if self._readers is not None:
            await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(conclude, self._connection)
        await asyncio.sleep(0)  # lets the event loop run the callbacks of the last commit

    async def flush(self) -> None:
        """Waits for all queued writes. Concurrent callers share one wait."""
        writer = self._writer
        assert writer is not None
        if writer.idle:
            return
        if self._settling is None or self._settling_from != writer.asked:
            self._settling = asyncio.get_running_loop().create_future()
            writer.put(Pending(_nothing, self._settling))
            self._settling_from = writer.asked
        await asyncio.shield(self._settling)

    def _look_through(self) -> None:
        """Checks the database in the background, since a power cut can damage more than unsynced data."""
        for problem in self._check.run()[:1]:
            self._health.damaged(Damaged(problem))

    @property
    def waiting(self) -> int:
        return self._writer.waiting if self._writer is not None else 0

    @property
    def failing(self) -> bool:
        return self._health.failing

    # -- for the tables --------------------------------------------------------------------------------

    async def _write(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._writer is not None
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._writer.put(Pending(operation, future))
        return await future

    def _queue(self, operation: Operation) -> None:
        assert self._writer is not None
        self._writer.put(Pending(operation, None))

    async def _read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._readers is not None
        try:
            return await self._readers.read(query)
        except sqlite3.Error as error:
            failure = translated(error)
            if isinstance(failure, Unavailable):
                self._health.unreadable(failure)
            raise failure from error

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, self._busy)
        try:
            connection.execute("PRAGMA query_only = ON")
            self._files.check()
        except BaseException:
            connection.close()
            raise
        return connection

    def _accounts_changed(self) -> None:
        """Notes that addresses may belong to other accounts than before. Called on the writer thread."""
        if self._writer is not None:
            self._writer.transactions.appends.accounts_changed()

    # -- once a second ---------------------------------------------------------------------------------

    def watch(self) -> None:
        self._health.watch()
        if self._marks is not None and self._health.failing:
            self._marks.write()

    def changed_elsewhere(self) -> bool:
        """Returns the result of the previous check, and queues another check for the next call."""
        changed, self._changed = self._changed, False
        self._queue(self._look)
        return changed

    def _look(self, connection: sqlite3.Connection) -> None:
        """Checks for writes of other processes.

        Raises Removed, and logs an error, if the files were removed.
        """
        self._files.check()
        version = _data_version(connection)
        if version != self._version:
            self._version = version
            self._changed = True
            self._accounts_changed()


def _nothing(connection: sqlite3.Connection) -> None:
    """An operation without effect, to wait for those queued before it."""


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection commits."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
