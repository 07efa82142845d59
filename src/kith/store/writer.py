"""The one thread that writes: everything queued goes into one transaction and one sync to disk.

A commit costs about the same for one message as for hundreds, so what arrives while one commit
runs shares the next. A batch of appends is four statements, whatever its size: each costs CPU to start,
and gives the interpreter's lock away, which a busy loop may take (`bench/store.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from kith.base.histogram import Commits
from kith.ports.store import Append, Unavailable
from kith.store.checkpoint import Checkpoints
from kith.store.errors import Faulty, Locked, Removed, translated
from kith.store.files import Files
from kith.store.health import Health
from kith.store.inserts import insert_log, insert_messages, known_origins

#: What a queued operation does; its result goes to the one who waits.
Operation = Callable[[sqlite3.Connection], Any]
#: Who is told after the commit, and what: result and error.
Answer = tuple[Callable[[Any, BaseException | None], None], Any, BaseException | None]
#: Ids and stanzas of messages by sender and origin.
Known = dict[tuple[int, bytes], tuple[int, bytes]]
_MAX_BATCH = 1024
_ENOUGH = 64  # more in one commit hardly costs less
_PAGE_BYTES = 4096
_TRIES = 3  # of `busy_timeout` each, for another process to finish its transaction


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


class Writer:
    """Takes operations in order and commits them in groups; answers on the loop's thread.

    ``gather`` is how many seconds it waits for more messages to share a commit, if the one before ended less
    than that ago. So a message that comes alone waits for nothing, nor does a write that follows another.
    ``checkpoints`` copies the journal into the database beside it, and ends with it.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        health: Health,
        commits: Commits,
        files: Files,
        checkpoints: Checkpoints,
        gather: float = 0.0,
    ) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._loop = loop
        self._commits = commits
        self._new = 0  # messages of the transaction that is open
        self._changed = 0  # pages of it, about, but for those that messages fill
        self._gather = gather
        self._queue: deque[Append | Pending] = deque()
        self._wake = threading.Semaphore(0)
        self._sleeping = True
        self._stop = False
        self.asked = 0  # how much was queued so far
        self._told = 0
        self._ended = 0.0
        self._peers: dict[str, int] = {}
        self._health = health
        self._files = files
        self.waiting_bytes = 0  # bytes of messages that are not committed
        self.transactions = 0
        self._thread = threading.Thread(target=self._run, name="kith-store", daemon=True)
        self._thread.start()

    def put(self, item: Append | Pending) -> None:
        """Queues. Called on the loop's thread; never blocks."""
        self._queue.append(item)
        self.asked += 1
        if item.__class__ is Append:
            self.waiting_bytes += len(item.stanza)
        if self._sleeping:
            self._sleeping = False
            self._wake.release()

    @property
    def waiting(self) -> int:
        """How much was queued and not answered yet."""
        return self.asked - self._told

    @property
    def idle(self) -> bool:
        """Whether all that was queued is committed, and was answered."""
        return self.asked == self._told

    def close(self) -> None:
        """Commits what is queued and ends the thread. Blocks."""
        self._stop = True
        self._wake.release()
        self._thread.join()
        self._checkpoints.close()

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            while True:
                if self._worth_waiting():
                    time.sleep(self._gather)
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), _MAX_BATCH))]
                if not batch:
                    # `put` looks at `_sleeping` after it has queued, so nothing is left behind
                    self._sleeping = True
                    if self._queue:
                        self._sleeping = False
                        continue
                    break
                self._health.committing()
                began, changes = time.monotonic(), self._connection.total_changes
                answers = self._commit(batch)
                self._ended = time.monotonic()
                self._health.committed()
                if self._connection.total_changes != changes:
                    self._commits.seconds.observe(self._ended - began)
                    self._commits.sizes.observe(len(batch))
                size = sum([len(item.stanza) for item in batch if item.__class__ is Append])
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._tell, answers, size)
                self._checkpoint(self._changed + size // _PAGE_BYTES)
            if self._stop:
                return

    def _checkpoint(self, pages: int) -> None:
        checkpoints = self._checkpoints
        self._changed = 0
        if checkpoints.rest:  # a disk that hangs is noticed here as well
            self._health.committing()
            checkpoints.finish(self._connection)
            self._health.committed()
        checkpoints.wrote(pages)

    def _tell(self, answers: Sequence[Answer], size: int) -> None:
        self._told += len(answers)
        self.waiting_bytes -= size
        for done, result, error in answers:
            try:
                done(result, error)
            except Exception as raised:
                context = {"message": "after a commit", "exception": raised}
                self._loop.call_exception_handler(context)

    def _worth_waiting(self) -> bool:
        queue = self._queue
        return (
            0 < len(queue) < _ENOUGH
            and isinstance(queue[0], Append)
            and not self._stop
            and time.monotonic() - self._ended < self._gather
        )

    def _commit(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        try:
            return self._transaction(batch)
        except Exception as error:
            failure = translated(error)
            if len(batch) == 1 or _concerns_all(failure):
                self._refused(failure, len(batch))
                return [_answer(item, None, failure) for item in batch]
        return self._one_by_one(batch)

    def _one_by_one(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        """One bad item does not fail the others."""
        answers: list[Answer] = []
        common: BaseException | None = None
        for item in batch:
            if common is not None:
                answers.append(_answer(item, None, common))
                continue
            try:
                answers += self._transaction([item])
            except Exception as error:
                failure = translated(error)
                self._refused(failure, 1)
                answers.append(_answer(item, None, failure))
                if _concerns_all(failure):
                    common = failure
        return answers

    def _refused(self, failure: BaseException, count: int) -> None:
        if isinstance(failure, Unavailable):
            self._health.refused(failure, count)

    def _transaction(self, batch: Sequence[Append | Pending]) -> list[Answer]:
        connection = self._connection
        changes = connection.total_changes
        self.transactions += 1
        self._begin()
        answers: list[Answer] = []
        appends: list[Append] = []
        try:
            for item in batch:
                if isinstance(item, Append):
                    appends.append(item)
                    continue
                if appends:
                    self._append(appends, answers)
                    appends = []
                answers.append(_answer(item, item.operation(connection), None))
                self._changed += 4
            if appends:
                self._append(appends, answers)
            connection.execute("COMMIT")
            if connection.total_changes != changes:
                self._files.check()  # or what was committed is gone with this process
        except BaseException:
            self._commits.failed += 1
            self._new = 0
            self._peers.clear()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if self._health.failing and connection.total_changes != changes:
            self._health.stored()
        self._commits.stored += self._new
        self._new = 0
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

    def _append(self, appends: Sequence[Append], answers: list[Answer]) -> None:
        """Retries are rare, so the log is asked for known origin ids only when an insert fails."""
        known: Known = {}
        origins = [entry.origin for entry in appends]
        while True:
            new, held = _split(appends, dict(known))
            try:
                insert_messages(self._connection, new)
                break
            except sqlite3.IntegrityError:
                found = known_origins(self._connection, appends)  # a distinct origin may be held, too
                if found.keys() <= known.keys():
                    raise
                known |= found
                for entry, origin in zip(appends, origins, strict=True):
                    entry.origin = origin
        self._new += len(new)
        rows: list[Any] = []
        for entry in new:
            for account, peer, flags in entry.owners:
                rows += (account, entry.id, self._peer(peer), flags)
        insert_log(self._connection, rows)
        self._changed += 2 * len(set(rows[::4])) + 4  # each account's end of its log, and of what it has sent
        answers += [(entry.done, existing, None) for entry, existing in zip(appends, held, strict=True)]

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


def _split(appends: Sequence[Append], known: Known) -> tuple[list[Append], list[int | None]]:
    """Those to be stored; and for each of all, the id under which it is held already, or None.

    A message that is not the one that is held under its origin gets another origin.
    """
    new: list[Append] = []
    held: list[int | None] = []
    for entry in appends:
        existing = None
        if entry.origin is not None:
            key = (entry.sender, entry.origin)
            found = known.get(key)
            retries = entry.retries if found is not None else None
            if found is not None and retries is not None and not retries.is_retry(found[1], entry.stanza):
                entry.origin = retries.distinct(entry.origin, entry.stanza)
                key = (entry.sender, entry.origin)
                found = known.get(key)
            if found is not None:
                existing = found[0]
            else:
                known[key] = entry.id, entry.stanza
        if existing is None:
            new.append(entry)
        held.append(existing)
    return new, held


def _concerns_all(error: BaseException) -> bool:
    """Whether others would fail as well, perhaps after having waited as long, one after the other."""
    return isinstance(error, (Locked, Faulty, Removed))


def _answer(item: Append | Pending, result: Any, error: BaseException | None) -> Answer:
    return item.done, result, error
