"""The one thread that writes: everything queued goes into one transaction and one sync to disk.

A commit costs about the same for one message as for hundreds, so what arrives while one commit
runs shares the next. Rows are inserted many per statement, because each statement gives the
interpreter's lock away and has to wait to get it back.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from kith.core.ports import Append

#: What a queued operation does; its result goes to the one who waits.
Operation = Callable[[sqlite3.Connection], Any]
#: Rows per INSERT statement, largest first: few different statements, all of them cached.
_CHUNKS = (128, 32, 8, 1)
_MAX_BATCH = 4096


class Pending:
    """An operation on its way to the disk; ``future`` may be None if nobody waits."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(self, operation: Operation, future: asyncio.Future[Any] | None) -> None:
        self.operation = operation
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def finish(self) -> None:
        future = self.future
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)


class Writer:
    """Takes operations in order and commits them in groups; answers on the loop's thread.

    ``gather`` is how many seconds it waits after the first of a group, so that more share the commit.
    """

    def __init__(
        self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop, gather: float = 0.0
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._gather = gather
        self._queue: deque[Append | Pending] = deque()
        self._wake = threading.Semaphore(0)
        self._sleeping = True
        self._stop = False
        self._peers: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="kith-store", daemon=True)
        self._thread.start()

    def put(self, item: Append | Pending) -> None:
        """Queues. Called on the loop's thread; never blocks."""
        self._queue.append(item)
        if self._sleeping:
            self._sleeping = False
            self._wake.release()

    def close(self) -> None:
        """Commits what is queued and ends the thread. Blocks."""
        self._stop = True
        self._wake.release()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            while True:
                if self._gather and len(self._queue) < 64 and not self._stop:
                    time.sleep(self._gather)
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), _MAX_BATCH))]
                if not batch:
                    # `put` looks at `_sleeping` after it has queued, so nothing is left behind
                    self._sleeping = True
                    if self._queue:
                        self._sleeping = False
                        continue
                    break
                self._commit(batch)
            if self._stop:
                return

    def _commit(self, batch: Sequence[Append | Pending]) -> None:
        answers: list[Callable[[], None]] = []
        try:
            self._transaction(batch, answers)
        except BaseException as error:
            answers.clear()
            if len(batch) == 1:
                answers.append(_failure(batch[0], error))
            else:
                for item in batch:  # one bad item does not fail the others
                    try:
                        self._transaction([item], answers)
                    except BaseException as single:
                        answers.append(_failure(item, single))
        try:
            self._loop.call_soon_threadsafe(_answer_all, answers)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _transaction(self, batch: Sequence[Append | Pending], answers: list[Callable[[], None]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            mine: list[Callable[[], None]] = []
            appends: list[Append] = []
            for item in batch:
                if item.__class__ is Append:
                    appends.append(item)
                else:
                    assert isinstance(item, Pending)
                    if appends:
                        self._append(appends, mine)
                        appends = []
                    item.result = item.operation(connection)
                    mine.append(item.finish)
            if appends:
                self._append(appends, mine)
            connection.execute("COMMIT")
        except BaseException:
            self._peers.clear()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        answers += mine

    def _append(self, appends: list[Append], answers: list[Callable[[], None]]) -> None:
        known = self._known(appends)
        messages: list[Any] = []
        logs: list[Any] = []
        rows = 0
        log_rows = 0
        for entry in appends:
            existing = None
            if entry.origin is not None:
                key = (entry.sender, entry.origin)
                existing = known.get(key)
                if existing is None:
                    known[key] = entry.id
            answers.append(_done(entry, existing))
            if existing is not None:
                continue
            messages += (entry.id, entry.sender, entry.origin, entry.stanza)
            rows += 1
            for account, peer, flags in entry.owners:
                logs += (account, entry.id, self._peer(peer), flags)
                log_rows += 1
        self._insert("message (id, sender, origin, stanza)", messages, rows)
        self._insert("log (account, id, peer, flags)", logs, log_rows)

    def _insert(self, into: str, values: list[Any], rows: int) -> None:
        """Rows of four columns each."""
        connection = self._connection
        start = 0
        for chunk in _CHUNKS:
            while rows >= chunk:
                connection.execute(_statement(into, chunk), values[start : start + 4 * chunk])
                start += 4 * chunk
                rows -= chunk

    def _known(self, appends: list[Append]) -> dict[tuple[int, bytes], int]:
        """Which of the origin ids the log holds already."""
        keyed = [(entry.sender, entry.origin) for entry in appends if entry.origin is not None]
        known: dict[tuple[int, bytes], int] = {}
        start = 0
        for chunk in (64, 8, 1):
            while len(keyed) - start >= chunk:
                part = keyed[start : start + chunk]
                flat = [value for pair in part for value in pair]
                for sender, origin, id in self._connection.execute(_lookup(chunk), flat):
                    known[sender, origin] = id
                start += chunk
        return known

    def _peer(self, jid: str) -> int:
        """The number of an address."""
        number = self._peers.get(jid)
        if number is None:
            if len(self._peers) > 100_000:
                self._peers.clear()
            self._connection.execute("INSERT OR IGNORE INTO address (jid) VALUES (?)", (jid,))
            (number,) = self._connection.execute("SELECT id FROM address WHERE jid = ?", (jid,)).fetchone()
            self._peers[jid] = number
        return number


def _statement(into: str, rows: int) -> str:
    return f"INSERT INTO {into} VALUES {','.join(['(?,?,?,?)'] * rows)}"


def _lookup(pairs: int) -> str:
    return (
        f"WITH wanted (s, o) AS (VALUES {','.join(['(?,?)'] * pairs)}) "
        "SELECT sender, origin, id FROM wanted CROSS JOIN message "
        "ON sender = s AND origin = o AND origin IS NOT NULL"
    )


def _done(entry: Append, existing: int | None) -> Callable[[], None]:
    return lambda: entry.done(existing, None)


def _failure(item: Append | Pending, error: BaseException) -> Callable[[], None]:
    if isinstance(item, Append):
        return lambda: item.done(None, error)
    item.error = error
    return item.finish


def _answer_all(answers: list[Callable[[], None]]) -> None:
    loop = asyncio.get_running_loop()
    for answer in answers:
        try:
            answer()
        except Exception as error:
            loop.call_exception_handler({"message": "after a commit", "exception": error})
