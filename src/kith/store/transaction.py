"""Writes a batch of operations in one transaction, and finds out which of them can't be written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from kith.base.histogram import Commits
from kith.ports.store import Append, Unavailable
from kith.store.appends import Answer, Appends
from kith.store.errors import Faulty, Locked, Removed, translated
from kith.store.files import Files
from kith.store.health import Health

#: What a queued operation does; its result goes to the one who waits.
Operation = Callable[[sqlite3.Connection], Any]
_TRIES = 3  # of `busy_timeout` each, for another process to finish its transaction
_OPERATION_PAGES = 4  # that an operation changes, about


class Pending:
    """An operation on its way to the disk; ``future`` may be None if nobody waits."""

    __slots__ = ("future", "operation")

    def __init__(self, operation: Operation, future: asyncio.Future[Any] | None) -> None:
        self.operation = operation
        self.future = future

    def done(self, result: Any, error: BaseException | None) -> None:
        """Tells who waits. Raises the error if nobody does, unless the operator was told of it."""
        future = self.future
        if future is None:
            if error is not None and not isinstance(error, Unavailable):
                raise error
        elif not future.done():
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)


class Transactions:
    """Used by the thread that writes. ``count``: how many were begun. ``changed``: pages of the last batch,
    about, but for those that messages fill.
    """

    def __init__(
        self, connection: sqlite3.Connection, health: Health, commits: Commits, files: Files
    ) -> None:
        self._connection = connection
        self._health = health
        self._commits = commits
        self._files = files
        self.appends = Appends(connection)
        self.count = 0
        self.changed = 0

    def commit(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        """Writes all that can be written. One bad item does not fail the others."""
        self.changed = 0
        try:
            return self._transaction(batch)
        except Exception as error:
            failure = translated(error)
            if len(batch) == 1 or _concerns_all(failure):
                self._refused(failure, len(batch))
                return [(item.done, None, failure) for item in batch]
        return self._one_by_one(batch)

    def _one_by_one(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        answers: list[Answer] = []
        common: BaseException | None = None
        for item in batch:
            if common is not None:
                answers.append((item.done, None, common))
                continue
            try:
                answers += self._transaction([item])
            except Exception as error:
                failure = translated(error)
                self._refused(failure, 1)
                answers.append((item.done, None, failure))
                if _concerns_all(failure):
                    common = failure
        return answers

    def _refused(self, failure: BaseException, count: int) -> None:
        if isinstance(failure, Unavailable):
            self._health.refused(failure, count)

    def _transaction(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        connection = self._connection
        changes = connection.total_changes
        self.count += 1
        self._begin()
        answers: list[Answer] = []
        appends: list[Append] = []
        try:
            self.appends.begin()
            for item in batch:
                if isinstance(item, Append):
                    appends.append(item)
                    continue
                if appends:
                    self.appends.write(appends, answers)
                    appends = []
                answers.append((item.done, item.operation(connection), None))
                self.changed += _OPERATION_PAGES
            if appends:
                self.appends.write(appends, answers)
            connection.execute("COMMIT")
            if connection.total_changes != changes:
                self._files.check()  # or what was committed is gone with this process
        except BaseException:
            self._commits.failed += 1
            self.appends.undone()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if self._health.failing and connection.total_changes != changes:
            self._health.stored()
        self._commits.stored += self.appends.new
        self.changed += self.appends.changed
        return answers

    def _begin(self) -> None:
        for _ in range(_TRIES):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
        raise Locked("another process keeps the database locked")


def _concerns_all(error: BaseException) -> bool:
    """Whether others would fail as well, perhaps after having waited as long, one after the other."""
    return isinstance(error, (Locked, Faulty, Removed))
