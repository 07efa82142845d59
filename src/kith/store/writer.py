"""The writer thread: all queued operations are committed with one transaction and one sync to disk.

A commit costs about the same for one message as for hundreds, so operations that arrive during a commit
share the next one. A batch of messages takes four statements, regardless of its size, because each
statement costs CPU to start and releases the GIL, which a busy event loop may then keep for a while
(`bench/store.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from kith.base.histogram import Commits
from kith.ports.store import Append
from kith.store.appends import Answer
from kith.store.checkpoint import Checkpoints
from kith.store.files import Files
from kith.store.gathering import Gathering
from kith.store.health import Health
from kith.store.transaction import Pending, Transactions

_MAX_BATCH = 1024
#: A batch ends with the message that exceeds this many accounts that messages are shared with.
_MAX_SHARES = 20_000
_PAGE_BYTES = 4096


class Writer:
    """Commits operations in groups, in order, and answers on the thread of the event loop.

    ``gather``: how long a commit waits for more messages at most, in seconds (`Gathering`). Any other
    operation ends the wait. ``checkpoints``: the thread that copies the journal into the database; it ends
    with the writer.
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
        self._gather = gather
        self._queue: deque[Append | Pending] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._enough = 1  # how many queued operations wake the thread; 0: it is awake
        self._gathering = Gathering()
        self._stop = False
        self.asked = 0  # how many operations were queued so far
        self._told = 0
        self._under_way = 0  # messages that are queued or not answered yet
        self._health = health
        self.waiting_bytes = 0  # size of the messages that are not committed
        self.transactions = Transactions(connection, health, commits, files)
        self._thread = threading.Thread(target=self._run, name="kith-store", daemon=True)
        self._thread.start()

    def put(self, item: Append | Pending) -> None:
        """Queues an operation. Called on the thread of the event loop; never blocks."""
        self._queue.append(item)
        self.asked += 1
        if item.__class__ is Append:
            self._under_way += 1
            self.waiting_bytes += len(item.stanza) if item.shared is None else item.size
            if not self._enough or len(self._queue) < self._enough:
                return
        elif not self._enough:
            return
        self._enough = 0
        self._wake.put(None)

    @property
    def waiting(self) -> int:
        """How many operations are queued or not answered yet."""
        return self.asked - self._told

    @property
    def idle(self) -> bool:
        """Whether all operations are committed and answered."""
        return self.asked == self._told

    def close(self) -> None:
        """Commits what is queued, and ends the thread. Blocks."""
        self._stop = True
        self._wake.put(None)
        self._thread.join()
        self._checkpoints.close()

    def _run(self) -> None:
        while True:
            self._wake.get()
            while self._queue or not self._rest():
                if self._gather and not self._stop:
                    self._wait_for_more()
                batch = self._next()
                self._health.committing()
                began, changes = time.monotonic(), self._connection.total_changes
                answers = self.transactions.commit(batch)
                ended = time.monotonic()
                self._health.committed()
                if self._connection.total_changes != changes:
                    self._commits.seconds.observe(ended - began)
                    self._commits.sizes.observe(len(batch))
                appends = [item for item in batch if isinstance(item, Append)]
                if appends:
                    senders = [item.sender for item in appends]
                    self._gathering.committed(senders, self._under_way, ended)
                size = sum(item.size for item in appends)
                with contextlib.suppress(RuntimeError):  # the event loop is closed, so nobody is waiting
                    self._loop.call_soon_threadsafe(self._tell, answers, len(appends), size)
                self._checkpoint(self.transactions.changed + size // _PAGE_BYTES)
            if self._stop:
                return

    def _next(self) -> list[Append | Pending]:
        """Takes the next batch from the queue, limited in operations and in rows."""
        batch: list[Append | Pending] = []
        rows = 0
        while self._queue and len(batch) < _MAX_BATCH and rows < _MAX_SHARES:
            item = self._queue.popleft()
            batch.append(item)
            if item.__class__ is Append and item.shared is not None:
                rows += len(item.shared.audience)
        return batch

    def _rest(self) -> bool:
        """Prepares to sleep. Returns False if something was queued in the meantime.

        This is safe, because `put` queues first and reads `_enough` afterwards.
        """
        self._enough = 1
        if not self._queue:
            return True
        self._enough = 0
        return False

    def _wait_for_more(self) -> None:
        """Waits until enough is queued, or the time limit."""
        queue = self._queue
        wanted = self._gathering.wanted(time.monotonic())
        if len(queue) >= wanted or not (isinstance(queue[0], Append) and isinstance(queue[-1], Append)):
            return
        self._enough = wanted
        if len(queue) < wanted:
            try:
                self._wake.get(timeout=self._gather)
            except Empty:
                self._gathering.in_vain(len(queue))
        self._enough = 0

    def _checkpoint(self, pages: int) -> None:
        checkpoints = self._checkpoints
        if checkpoints.rest:  # so that a disk that hangs is noticed here too
            self._health.committing()
            checkpoints.finish(self._connection)
            self._health.committed()
        checkpoints.wrote(pages)

    def _tell(self, answers: Sequence[Answer], messages: int, size: int) -> None:
        self._told += len(answers)
        self._under_way -= messages
        self.waiting_bytes -= size
        for done, result, error in answers:
            try:
                done(result, error)
            except Exception as raised:
                context = {"message": "after a commit", "exception": raised}
                self._loop.call_exception_handler(context)
