"""Writes delivery marks in order, until they are committed.

If the disk refused one and accepted the next, an undelivered message would count as delivered. So each mark
is kept until it is committed, and written again before later ones; writing one twice has no effect.
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
    """The queue of marks.

    `add` is called on the thread of the event loop; the writer thread writes all together.
    """

    def __init__(self, writer: Writer, health: Health) -> None:
        self._writer = writer
        self._health = health
        self._lock = threading.Lock()
        self._waiting: list[_Mark] = []
        self._committed = 0  # how many were committed since the start
        self._written = 0  # how many `_transaction` has written, counted from the start
        self._transaction = -1

    def add(self, mark: _Mark) -> None:
        with self._lock:
            self._waiting.append(mark)
        self.write()

    def write(self) -> None:
        """Queues the waiting marks for the next commit."""
        if self._waiting:
            self._writer.put(_Writing(self))

    def into(self, connection: sqlite3.Connection) -> int:
        """Writes the marks that this transaction has not written yet.

        Returns how many were written since the start.
        """
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
                self._health.damaged(failure)  # marks of other accounts continue
        self._written += len(marks)
        return self._written

    def committed(self, count: int) -> None:
        """Notes that the marks up to ``count`` are committed."""
        with self._lock:
            del self._waiting[: max(0, count - self._committed)]
            self._committed = max(count, self._committed)


class _Writing(Pending):
    """An operation that writes the waiting marks. If it fails, they are kept."""

    __slots__ = ("_marks",)

    def __init__(self, marks: Marks) -> None:
        super().__init__(marks.into, None)
        self._marks = marks

    def done(self, result: int, error: BaseException | None) -> None:
        super().done(result, error)
        if error is None:
            self._marks.committed(result)
