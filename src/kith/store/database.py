"""The database while it is open: the threads that write and read, and what they are asked for."""

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
#: The thread that reads the whole database after a crash; the server can do without it.
CHECK_THREAD = "kith-check"
#: Seconds that something is waited for that can be done without.
PATIENCE = 2.0


class Database:
    """One file, and this process's threads for it. Another process may write to it at the same time.

    ``gather``: seconds that a commit waits for company, under load (`Writer`). ``busy``: seconds that a
    write waits for another process before it tries again; after three tries it fails with StoreError.
    ``may_create``: whether a database is made if there is none.
    ``domain``: whose accounts it has to hold, if any.
    What is wrong with the disk reaches the caller as `kith.ports.store.Unavailable`.
    """

    def __init__(
        self,
        path: Path,
        gather: float = 0.002,
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
        self._settling_from = 0  # how much was queued when that began

    async def open(self, look_through: bool = True) -> None:
        """Raises StoreError. If the last server did not close it, all of it is read, in the background.

        ``look_through``: False for a command beside a running server: that has not closed it either, and it
        finishes removals that were cut off.
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
        self._files = Files(self._path)  # those of an earlier opening may have been others
        checkpoints = Checkpoints(lambda: connect(self._path, self._busy))
        self._writer = Writer(
            connection, loop, self._health, self.commits, self._files, checkpoints, self._gather
        )
        self._marks = Marks(self._writer, self._health)
        self._readers = Readers(self._connect, loop)
        if look_through and not ended_well:
            self._checking = threading.Thread(target=self._look_through, name=CHECK_THREAD, daemon=True)
            self._checking.start()
        if look_through:
            self._finishing = asyncio.create_task(self._finish_removals())
        self._version = await self._write(_data_version)

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None or self._connection is None:
            return
        if self._finishing is not None:
            self._finishing.cancel()
            await asyncio.gather(self._finishing, return_exceptions=True)
        self._check.stop()
        if self._checking is not None:  # it has the files open
            await asyncio.to_thread(self._checking.join, PATIENCE)
        await asyncio.to_thread(writer.close)
        if self._readers is not None:
            await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(conclude, self._connection)
        await asyncio.sleep(0)  # what the last commit answers is still in the loop's queue

    async def settled(self) -> None:
        """Who asks after the same write waits for the same: asking is no new write to be waited for."""
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
        """A power cut can leave more behind than what was not synced."""
        for problem in self._check.run()[:1]:
            self._health.damaged(Damaged(problem))

    async def _finish_removals(self) -> None:
        """Removes what a removal that was cut off has left."""

    @property
    def waiting(self) -> int:
        return self._writer.waiting if self._writer is not None else 0

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
        """Addresses may be those of other accounts than before. On the thread that writes."""
        if self._writer is not None:
            self._writer.transactions.appends.accounts_changed()

    # -- once a second ---------------------------------------------------------------------------------

    def watch(self) -> None:
        self._health.watch()
        if self._marks is not None and self._health.failing:
            self._marks.write()

    def changed_elsewhere(self) -> bool:
        """Whether the last look found something; looks again behind what is queued, for the next call."""
        changed, self._changed = self._changed, False
        self._queue(self._look)
        return changed

    def _look(self, connection: sqlite3.Connection) -> None:
        """What another process has done. Raises Removed if the files are gone; the operator is told."""
        self._files.check()
        version = _data_version(connection)
        if version != self._version:
            self._version = version
            self._changed = True
            self._accounts_changed()


def _nothing(connection: sqlite3.Connection) -> None:
    """What is queued to learn when all before it is committed."""


def _data_version(connection: sqlite3.Connection) -> int:
    """On the writing connection this counts the commits of all others."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
