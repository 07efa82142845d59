"""Writes a batch of operations in one transaction, or finds those that can't be written if it fails."""

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

#: What a queued operation does in the transaction. Its result is passed to the caller that waits for it.
Operation = Callable[[sqlite3.Connection], Any]
_MAX_BEGINS = 3  # each attempt waits up to `busy_timeout` for the transaction of another process
_OPERATION_PAGES = 4  # estimated pages changed by an operation


class Pending:
    """A queued operation. ``future`` is None if nobody waits for it."""

    __slots__ = ("future", "operation")

    def __init__(self, operation: Operation, future: asyncio.Future[Any] | None) -> None:
        self.operation = operation
        self.future = future

    def done(self, result: Any, error: BaseException | None) -> None:
        """Passes the result or the error to the caller that waits.

        If nobody waits, raises the error, except Unavailable, which is logged already.
        """
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
    """Runs transactions on the writer thread.

    ``count``: how many transactions were begun. ``changed``: an estimate of how many pages the last batch
    has changed, without those that new messages fill.
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
        """Writes a batch. If an operation makes the transaction fail, each gets a transaction of its own.

        So one bad operation does not make the others fail. Returns what to answer to each caller.
        """
        self.changed = 0
        try:
            return self._transaction(batch)
        except Exception as error:
            failure = translated(error)
            if len(batch) == 1 or _affects_all(failure):
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
                if _affects_all(failure):
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
                self._files.check()  # a commit to a deleted file is lost when this process ends
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
        for _ in range(_MAX_BEGINS):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
        raise Locked("another process keeps the database locked")


def _affects_all(error: BaseException) -> bool:
    """Whether all other operations would fail with the same error."""
    return isinstance(error, (Locked, Faulty, Removed))
