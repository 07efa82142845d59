"""Delivery marks on their way to the disk, in order, until they are there.

If the disk refused one and took the next, a message that nobody got would count as delivered. So each is
kept until it is committed, and written again before those that follow; writing one twice changes nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

from kith.store.errors import Damaged, translated
from kith.store.health import Health
from kith.store.transaction import Pending
from kith.store.writer import Writer

_Mark = Callable[[sqlite3.Connection], None]


class Marks:
    """`add` on the loop's thread; the writer's thread writes all that wait at once."""

    def __init__(self, writer: Writer, health: Health) -> None:
        self._writer = writer
        self._health = health
        self._lock = threading.Lock()
        self._waiting: list[_Mark] = []
        self._committed = 0  # how many were before those that wait
        self._written = 0  # so many in `_transaction`, counted from the first ever
        self._transaction = -1

    def add(self, mark: _Mark) -> None:
        with self._lock:
            self._waiting.append(mark)
        self.write()

    def write(self) -> None:
        """Queues what waits."""
        if self._waiting:
            self._writer.put(_Writing(self))

    def into(self, connection: sqlite3.Connection) -> int:
        """Writes those that this transaction has not written. Returns how many it has, with all before."""
        with self._lock:
            if self._transaction != self._writer.transactions.count:
                self._transaction, self._written = self._writer.transactions.count, self._committed
            marks = self._waiting[self._written - self._committed :]
        for mark in marks:
            try:
                mark(connection)
            except sqlite3.Error as error:
                if not isinstance(failure := translated(error), Damaged):
                    raise
                self._health.damaged(failure)  # the marks of others go on
        self._written += len(marks)
        return self._written

    def committed(self, count: int) -> None:
        """Those up to ``count`` are on the disk."""
        with self._lock:
            del self._waiting[: max(0, count - self._committed)]
            self._committed = max(count, self._committed)


class _Writing(Pending):
    """One turn. If it fails, the marks stay."""

    __slots__ = ("_marks",)

    def __init__(self, marks: Marks) -> None:
        super().__init__(marks.into, None)
        self._marks = marks

    def done(self, result: int, error: BaseException | None) -> None:
        super().done(result, error)
        if error is None:
            self._marks.committed(result)
